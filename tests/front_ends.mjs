// Prints the HTML of an example in React (.tsx) or Vue (.vue): node front_ends.mjs MODULES EXAMPLE IMAGE_JSON
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, example, image] = process.argv.slice(2);
const require = createRequire(join(modules, "/"));
const { transformSync } = require("esbuild");

function run(code) {
  const module = { exports: {} };
  const { code: plain } = transformSync(code, { loader: "tsx", format: "cjs", jsx: "automatic" });
  new Function("require", "module", "exports", plain)(require, module, module.exports);
  return module.exports;
}

const source = readFileSync(example, "utf8");
const props = { image: JSON.parse(readFileSync(image, "utf8")) };
if (example.endsWith(".tsx")) {
  const { createElement } = require("react");
  const { renderToStaticMarkup } = require("react-dom/server");
  console.log(renderToStaticMarkup(createElement(run(source).ResizedPicture, props)));
} else {
  const { parse, compileScript } = require("vue/compiler-sfc");
  const { createSSRApp } = require("vue");
  const { renderToString } = require("vue/server-renderer");
  // Its types are those of the page before, in a project's own file.
  const whole = source.replace("defineProps", "interface ResizedImage { url: string }\ndefineProps");
  const { descriptor, errors } = parse(whole);
  if (errors.length) throw errors[0];
  const templateOptions = { ssr: true, ssrCssVars: [] };
  const { content } = compileScript(descriptor, { id: "x", inlineTemplate: true, templateOptions });
  console.log(await renderToString(createSSRApp(run(content).default, props)));
}
