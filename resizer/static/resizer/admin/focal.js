/* A focal point chosen with a pointer, a finger or the arrow keys. Crops follow at once, without a request. */
"use strict";

(() => {
    const CENTRE = 50;
    const STEP = 1;
    const LARGE_STEP = 10;

    const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

    /* The inputs of a point: one with "62,35", or one for each number. */
    function valueOf(editor) {
        const form = editor.closest("form") ?? document;
        const find = (id) => (id ? document.getElementById(id) : null);
        const both = find(editor.dataset.input);
        const across = find(editor.dataset.across);
        const down = find(editor.dataset.down);
        const inputs = [both, across, down].filter(Boolean);
        const read = () => {
            const texts = both ? both.value.split(",") : [across.value, down.value];
            const point = texts.map((text) => (text.trim() === "" ? NaN : Number(text)));
            const isPoint = point.length === 2 && point.every((one) => one >= 0 && one <= 100);
            return isPoint ? point.map(Math.round) : null;
        };
        const write = (point) => {
            if (both) {
                both.value = point ? point.join(",") : "";
            } else {
                across.value = point ? point[0] : "";
                down.value = point ? point[1] : "";
            }
            inputs.forEach((one) => one.dispatchEvent(new Event("change", {bubbles: true})));
        };
        return {form, inputs, read, write};
    }

    /* The same arithmetic as of the engines: centred on the point as far as the sides allow. */
    function cropBox(size, ratio, point) {
        const [width, height] = size;
        const [across, down] = ratio;
        const part = [Math.min(width, (height * across) / down), 0];
        part[1] = Math.min(height, (part[0] * down) / across);
        const start = part.map((one, side) =>
            clamp((size[side] * point[side]) / 100 - one / 2, 0, size[side] - one));
        return [...start, ...part];
    }

    function attach(editor) {
        if (editor.dataset.ready) {
            return;
        }
        const stage = editor.querySelector(".resizer-stage");
        const handle = editor.querySelector(".resizer-handle");
        const value = valueOf(editor);
        if (!stage || !handle || !value.inputs.length) {
            return;
        }
        editor.dataset.ready = "yes";
        let size = [Number(editor.dataset.width), Number(editor.dataset.height)];
        if (!size[0]) {
            size = [1, 1];
        }

        const show = () => {
            const chosen = value.read();
            const point = chosen ?? [CENTRE, CENTRE];
            handle.style.left = `${point[0]}%`;
            handle.style.top = `${point[1]}%`;
            handle.classList.toggle("resizer-unset", !chosen);
            handle.setAttribute(
                "aria-label", handle.dataset.label.replace("{x}", point[0]).replace("{y}", point[1]));
            for (const crop of editor.querySelectorAll("svg[data-ratio]")) {
                const ratio = crop.dataset.ratio.split("/").map(Number);
                crop.setAttribute("viewBox", cropBox(size, ratio, point).join(" "));
            }
        };
        const choose = (point) => {
            value.write(point && point.map((one) => clamp(Math.round(one), 0, 100)));
            show();
        };
        const follow = (event) => {
            const box = stage.getBoundingClientRect();
            choose([
                (100 * (event.clientX - box.left)) / box.width,
                (100 * (event.clientY - box.top)) / box.height,
            ]);
        };

        stage.addEventListener("pointerdown", (event) => {
            if (event.button !== 0) {
                return;
            }
            // A finger scrolls the page, unless it begins at the handle.
            if (event.pointerType === "touch" && event.target !== handle) {
                return;
            }
            event.preventDefault();
            handle.focus({preventScroll: true});
            stage.setPointerCapture(event.pointerId);
            follow(event);
        });
        stage.addEventListener("pointermove", (event) => {
            if (stage.hasPointerCapture(event.pointerId)) {
                follow(event);
            }
        });
        // A tap.
        stage.addEventListener("click", (event) => {
            if (event.detail && event.target !== handle) {
                follow(event);
            }
        });
        handle.addEventListener("keydown", (event) => {
            const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
            const move = moves[event.key];
            if (!move) {
                return;
            }
            event.preventDefault();
            const step = event.shiftKey ? LARGE_STEP : STEP;
            const from = value.read() ?? [CENTRE, CENTRE];
            choose(from.map((one, side) => one + move[side] * step));
        });
        value.inputs.forEach((input) => input.addEventListener("input", show));
        for (const button of editor.querySelectorAll("[data-point]")) {
            button.addEventListener("click", () => {
                const text = button.dataset.point;
                choose(text ? text.split(",").map(Number) : null);
            });
        }
        followFile(editor, stage, (found) => {
            size = found;
            show();
        });
        show();
    }

    /* Show a file that was just chosen, before it is saved. A canvas, because a policy may forbid blob URLs. */
    function followFile(editor, stage, tell) {
        const input = editor.dataset.image ? document.getElementById(editor.dataset.image) : null;
        if (!input) {
            return;
        }
        input.addEventListener("change", async () => {
            if (!input.files.length) {
                return;
            }
            let bitmap;
            try {
                bitmap = await createImageBitmap(input.files[0]);
            } catch {
                // A format that this browser does not show.
                return;
            }
            const canvas = document.createElement("canvas");
            const scale = Math.min(1, 1200 / bitmap.width);
            canvas.width = Math.round(bitmap.width * scale);
            canvas.height = Math.round(bitmap.height * scale);
            canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
            stage.querySelectorAll("img, canvas, .resizer-nothing").forEach((one) => one.remove());
            stage.prepend(canvas);
            editor.classList.add("resizer-new");
            tell([bitmap.width, bitmap.height]);
        });
    }

    const attachAll = (root) => root.querySelectorAll(".resizer-focal").forEach(attach);
    const start = () => {
        attachAll(document);
        // A row that was added to a form of several objects.
        document.addEventListener("formset:added", (event) => attachAll(event.target));
    };
    if (document.readyState === "loading") {
        document.addEventListener("DOMContentLoaded", start);
    } else {
        start();
    }
})();
