// What render_once.py does, with sharp: node sharp.js PATH WIDTH FORMAT REPEATS
const fs = require("fs");
const sharp = require("sharp");

const [path, width, format, repeats] = process.argv.slice(2);
const options = {
  jpeg: { quality: 69, mozjpeg: true },
  webp: { quality: 75, effort: 4 },
  avif: { quality: 53, effort: 0 },
}[format];

sharp.concurrency(1);
sharp.cache(false);

// The high-water mark of the process, KB, as getrusage has it.
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status"))[1]);
const render = (input, size) => sharp(input).resize(size).toFormat(format, options).toBuffer();

(async () => {
  const blank = { create: { width: 64, height: 64, channels: 3, background: "black" } };
  await render(await sharp(blank).jpeg().toBuffer(), 16);
  const base = peak();
  let best = Infinity;
  let bytes = 0;
  let mark = 0;
  for (let turn = 0; turn < Number(repeats); turn += 1) {
    const before = process.cpuUsage();
    bytes = (await render(path, Number(width))).length;
    const used = process.cpuUsage(before);
    best = Math.min(best, (used.user + used.system) / 1000);
    mark = mark || peak() - base;
  }
  console.log(JSON.stringify({ cpu_ms: best, peak_mb: mark / 1024, bytes }));
})();
