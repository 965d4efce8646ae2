/* Asks for each picture past the browser's cache, and shows the times of the server. */
const form = document.querySelector(".actions");
const buttons = form.querySelectorAll("button");
const images = [...document.querySelectorAll("[data-measured]")];

async function measure(image) {
  const figure = image.closest("figure"), output = figure.querySelector("output"), bar = figure.querySelector(".bar");
  output.textContent = "…";
  bar.replaceChildren();
  const response = await fetch(image.currentSrc, {cache: "reload"});
  const size = (await response.blob()).size, told = response.headers.get("Server-Timing") ?? "";
  const steps = [...told.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, duration]) => [name, Number(duration)]);
  const total = steps.reduce((sum, [, duration]) => sum + duration, 0);
  const state = told.match(/desc="?(\w+)/)?.[1] ?? "no times";
  output.textContent = `${state}${total ? ` ${Math.round(total)} ms` : ""} · ${Math.round(size / 1024)} KB`;
  for (const [name, duration] of steps) {
    const part = document.createElement("i");
    part.className = name;
    part.style.flexGrow = duration;
    part.title = `${name} ${duration} ms`;
    bar.append(part);
  }
}

async function ask(data = null) {
  buttons.forEach(one => { one.disabled = true; });
  await Promise.all(images.map(image => { image.loading = "eager"; return image.decode().catch(() => {}); }));
  if (data) await fetch(form.action, {method: "POST", body: data});
  for (const image of images) await measure(image);
  buttons.forEach(one => { one.disabled = false; });
}

const again = form.querySelector("[data-ask]");
again.hidden = false;
again.addEventListener("click", () => ask());
form.addEventListener("submit", event => {
  event.preventDefault();
  ask(new FormData(form));
});
