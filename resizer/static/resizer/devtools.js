/* {% resized_devtools %}: what each picture of the page has loaded, and what should be changed. For development only. */
(() => {
  "use strict";
  const script = document.currentScript;
  // The end of a variant's URL: version and signature, perhaps a recipe, width in px, extension.
  const VARIANT = /\/[0-9a-f]{8}-[\w-]{14}\/(?:[^/]+\/)?(\d+)\.([a-z]+)$/;
  const FILE_NAME = /\.(avif|bmp|gif|heic|jpe?g|jxl|png|svg|tiff?|webp)$|^(dsc|dscf|dscn|img|image|photo|pic|picture|pxl|screenshot|untitled)[\s_-]*\d*$|^[\w-]*\d{4,}[\w-]*$/i;
  const KEY = "resizer-devtools";

  let lcp = null;
  try {
    new PerformanceObserver(list => { lcp = list.getEntries().at(-1).element; plan(); })
      .observe({type: "largest-contentful-paint", buffered: true});
  } catch { /* WebKit before 26.2 */ }

  const widthOf = url => Number(url.match(VARIANT)?.[1] ?? 0);
  const isShown = image => image.getClientRects().length > 0;
  const urlOf = image => image.currentSrc || image.src;
  const isOurs = image => VARIANT.test(urlOf(image)) || image.hasAttribute("data-resizer");

  /* The widths, px, from which the browser has chosen. */
  function candidatesOf(image) {
    const sources = image.parentElement?.tagName === "PICTURE" ? image.parentElement.querySelectorAll("source") : [];
    for (const list of [...sources, image]) {
      const urls = list.srcset.split(/,\s+/).map(one => new URL(one.trim().split(/\s/)[0], document.baseURI).href);
      if (list.srcset && urls.includes(image.currentSrc)) {
        return {widths: urls.map(widthOf).sort((a, b) => a - b), isFluid: /\s\d+w(,|$)/.test(list.srcset), sizes: list.sizes};
      }
    }
    return {widths: [], isFluid: false, sizes: ""};
  }

  /* The width of the picture in the box of the image, CSS px: with object-fit, it may be another one than that of the box. */
  function drawnWidth(image) {
    const {width, height} = image, across = height * image.naturalWidth / (image.naturalHeight || 1);
    const fit = getComputedStyle(image).objectFit;
    if (!across || fit === "fill" || fit === "none") return width;
    return fit === "cover" ? Math.max(width, across) : Math.min(width, across);
  }

  /* The width that a browser without "auto" takes from the `sizes` attribute, CSS px. */
  function statedWidth(sizes) {
    for (const one of sizes.replace(/^auto,?\s*/, "").split(/,\s*(?![^()]*\))/)) {
      const [, condition, length] = one.match(/^(?:(.*\))\s+)?((?:calc|clamp|max|min)\(.*\)|[\d.]+\w*)$/) ?? [];
      if (!length || (condition && !matchMedia(condition).matches)) continue;
      probe.style.width = length;
      return probe.getBoundingClientRect().width;
    }
    return innerWidth;
  }

  const enough = (widths, needed) => widths.find(one => one >= needed) ?? widths.at(-1);
  const round = number => Math.round(number).toLocaleString("en");

  function describe(image) {
    const url = urlOf(image), {widths, isFluid, sizes} = candidatesOf(image);
    const entry = performance.getEntriesByName(url).at(-1);
    const needed = drawnWidth(image) * devicePixelRatio;
    return {
      image, url, widths, isFluid, sizes, entry, needed,
      chosen: widthOf(url),
      format: url.match(VARIANT)?.[2] ?? "as it is",
      // Without "auto", `contain` is "none".
      isAuto: image.loading === "lazy" && sizes.startsWith("auto") && getComputedStyle(image).contain.includes("size"),
    };
  }

  function factsOf({image, widths, entry, needed, chosen, format, url}) {
    if (!url) return ["no file"];
    if (!image.complete || !image.naturalWidth) return [image.complete ? "does not load" : "not loaded yet"];
    const facts = [];
    if (chosen) facts.push(`${chosen} px` + (widths.length > 1 ? ` of ${widths[0]}–${widths.at(-1)}` : ""));
    facts.push(`needs ${round(needed)} px`, format, ...timesOf(entry));
    return facts;
  }

  function timesOf(entry) {
    if (!entry) return ["from the browser’s memory"];
    const kilobytes = (entry.encodedBodySize / 1024).toLocaleString("en", {maximumFractionDigits: 1});
    const size = entry.encodedBodySize ? [`${kilobytes} KB`] : [];
    if (!entry.transferSize && entry.encodedBodySize) return [...size, "from the browser’s cache"];
    const told = entry.serverTiming ?? [], ours = told.find(one => one.name === "resizer");
    const steps = told.filter(one => one.duration && one !== ours).map(one => `${one.name} ${round(one.duration)}`);
    const state = ours ? ours.description + (steps.length ? ` (${steps.join(", ")} ms)` : "") : "";
    return [...size, ...(state ? [state] : []), `${round(entry.duration)} ms`];
  }

  /* Whether a flex container makes it narrower than its `width`. With a smaller `width`, it would be narrower again. */
  function isSqueezed(image, shown) {
    const item = image.closest("picture") ?? image, row = getComputedStyle(item.parentElement);
    return row.display.endsWith("flex") && row.flexDirection.startsWith("row")
      && getComputedStyle(item).flexShrink !== "0" && image.getAttribute("width") > shown + 1;
  }

  function* warningsOf({image, widths, isFluid, sizes, needed, chosen, isAuto, url}) {
    if (image === lcp && image.loading === "lazy") yield "This is the largest picture of the first screen, and lazy. Write priority=True.";
    else if (image === lcp && image.fetchPriority !== "high") yield "This is the largest picture of the first screen. Write priority=True.";
    if (!image.hasAttribute("alt")) yield "It has no alt. Write alt=\"…\".";
    else if (FILE_NAME.test(image.alt.trim())) yield `alt="${image.alt}" looks like the name of a file. Describe the picture, or write alt="".`;
    if (image.alt === "" && image.closest("a[href]") && !image.closest("a").textContent.trim() && !image.closest("[aria-label], [title]")) {
      yield "It is the only content of a link, so its alt names the link. Write alt=\"…\".";
    }
    if (overflows(image)) yield "It is wider than its place. Write {% resized_css %} into the head, or max-width: 100% into your style sheet.";
    if (!image.complete) return;
    if (url && !image.naturalWidth) { yield "It does not load. See the log of the server."; return; }
    if (chosen && chosen < needed / devicePixelRatio - 1 && chosen === widths.at(-1)) {
      yield `It is enlarged: ${chosen} px are shown ${round(needed / devicePixelRatio)} CSS px wide. Upload a larger original, or show it smaller.`;
    }
    if (!isFluid) { yield* tooLarge(image, chosen, needed); return; }
    const sufficient = enough(widths, needed), stated = statedWidth(sizes);
    const width = Math.round(needed / devicePixelRatio);
    const advice = isSqueezed(image, width)
      ? 'Its flex container shrinks it. Write columns=… or sizes="…", or keep its width with flex-shrink: 0.'
      : `Write width=${width}, columns=… or sizes="…".`;
    const loads = enough(widths, stated * devicePixelRatio);
    const says = `sizes says ${round(stated)} px, and it is ${width} CSS px wide`;
    if (isAuto) {
      if (loads >= 2 * sufficient) yield `${says}. Browsers without sizes="auto", such as Safari 26, load ${loads} px instead of ${sufficient}. ${advice}`;
    } else if (loads > sufficient && stated > 1.25 * width) yield `${says}: too large. ${advice}`;
    else if (loads < sufficient && stated < .9 * width) yield `${says}: it is blurred. ${advice}`;
  }

  /* Fluid pictures are judged by their `sizes`, never by the chosen candidate: Chromium keeps a larger one that it has in memory. */
  function* tooLarge(image, chosen, needed) {
    const shown = needed / devicePixelRatio, asked = Number(image.getAttribute("width"));
    const advice = isSqueezed(image, shown) ? "Its flex container shrinks it. Keep its width with flex-shrink: 0." : `Write width=${round(shown)}.`;
    if (chosen && asked >= 1.5 * shown) yield `It is far too large: made for ${asked} CSS px, and shown ${round(shown)} CSS px wide. ${advice}`;
    const isDrawing = /\.svg$/i.test(image.src.split(/[?#]/)[0]);
    if (!chosen && !isDrawing && image.naturalWidth >= 2 * needed) {
      yield `It is far too large: an original of ${image.naturalWidth} px, as it is. The log of the server says why it is not resized.`;
    }
  }

  function overflows(image) {
    const box = image.getBoundingClientRect(), parent = image.closest("picture") ?? image;
    for (let one = parent.parentElement; one && one !== document.documentElement; one = one.parentElement) {
      if (getComputedStyle(one).overflowX !== "visible") return false;
    }
    const place = parent.parentElement;
    const isInline = ["inline", "contents"].includes(getComputedStyle(place).display);
    return box.right > document.documentElement.clientWidth + 1 || (!isInline && box.width > place.clientWidth + 1 && getComputedStyle(image).position === "static");
  }

  const host = document.createElement("resizer-devtools");
  const root = host.attachShadow({mode: "open"});
  const make = (name, className, text = "", parent = root) => {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const sheet = make("link", "");
  sheet.nonce = script.nonce;
  sheet.rel = "stylesheet";
  sheet.href = script.dataset.css;
  const probe = make("div", "probe");
  const frames = make("div", "frames");
  const panel = make("section", "panel");
  panel.setAttribute("aria-label", "Pictures of this page");
  const button = make("button", "button");
  button.type = "button";
  let isOpen = sessionStorage.getItem(KEY) === "1";

  function pageWarnings() {
    const hasSheet = getComputedStyle(document.documentElement).getPropertyValue("--resizer-css");
    return hasSheet ? [] : ["This page has no style sheet for its pictures. Write {% load resizer %}{% resized_css %} in its head, before your own style sheets."];
  }

  function draw() {
    // Inside of the browser's own frame of time: layouts are read first, and written then.
    const pictures = [...document.images].filter(image => isOurs(image) && isShown(image)).map(describe)
      .map(one => ({...one, facts: factsOf(one), warnings: [...warningsOf(one)], box: one.image.getBoundingClientRect()}));
    const general = pageWarnings();
    const count = pictures.reduce((sum, one) => sum + one.warnings.length, general.length);
    button.textContent = `${pictures.length} picture${pictures.length === 1 ? "" : "s"}, ${count} warning${count === 1 ? "" : "s"}`;
    button.classList.toggle("warned", count > 0);
    button.setAttribute("aria-expanded", isOpen);
    frames.hidden = panel.hidden = !isOpen;
    frames.replaceChildren();
    const top = panel.scrollTop;
    panel.replaceChildren();
    if (!isOpen) return;
    for (const one of general) make("p", "warning", one, panel);
    const list = make("ol", "", "", panel);
    pictures.forEach((one, place) => { frame(one, place + 1); row(one, list); });
    panel.scrollTop = top;
  }

  function frame({box, warnings, facts}, number) {
    const element = make("div", warnings.length ? "frame warned" : "frame", "", frames);
    // Properties set by a script are allowed by every Content Security Policy.
    Object.assign(element.style, {left: `${box.left + scrollX}px`, top: `${box.top + scrollY}px`, width: `${box.width}px`, height: `${box.height}px`});
    const label = make("div", "label", "", element);
    make("b", "", `${number}`, label);
    if (box.width < 180) return;
    make("span", "", ` ${facts.join(" · ")}`, label);
    for (const warning of warnings) make("p", "warning", warning, label);
  }

  function row({image, facts, warnings, url}, list) {
    const item = make("li", "", "", list);
    const go = make("button", "go", image.alt || url.split("/").at(-1) || "no file", item);
    go.type = "button";
    go.addEventListener("click", () => image.scrollIntoView({block: "center"}));
    make("p", "", facts.join(" · "), item);
    for (const warning of warnings) make("p", "warning", warning, item);
  }

  let planned = 0;
  function plan() {
    planned ||= setTimeout(() => { planned = 0; if (host.isConnected) draw(); }, 100);
  }

  button.addEventListener("click", () => {
    isOpen = !isOpen;
    sessionStorage.setItem(KEY, isOpen ? "1" : "0");
    draw();
  });
  function start() {
    document.body.append(host);
    sheet.addEventListener("load", draw);
    for (const event of ["load", "error", "toggle"]) document.addEventListener(event, plan, true);
    for (const event of ["load", "resize"]) addEventListener(event, plan);
    new ResizeObserver(plan).observe(document.body);
    new PerformanceObserver(plan).observe({type: "resource"});
    new MutationObserver(plan).observe(document.body, {childList: true, subtree: true, attributeFilter: ["src", "srcset", "sizes", "class", "alt"]});
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
