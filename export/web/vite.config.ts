import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const RUNTIME = "node_modules/@litertjs/core";
const { version } = JSON.parse(readFileSync(`${RUNTIME}/package.json`, "utf8"));
const FOLDER = `runtime/${version}/`;

/** Puts the runtime beside the page: each visitor loads the one build that the browser can run. */
function runtime(): Plugin {
  return {
    name: "runtime",
    generateBundle() {
      for (const file of readdirSync(`${RUNTIME}/wasm`)) {
        this.emitFile({
          type: "asset",
          fileName: FOLDER + file,
          source: readFileSync(`${RUNTIME}/wasm/${file}`),
        });
      }
    },
  };
}

/** Tells the service worker which files the page consists of. */
function offline(): Plugin {
  return {
    name: "offline",
    enforce: "post",
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter(
        (name) => name !== "sw.js" && !name.startsWith(FOLDER),
      );
      const listed = ["./", ...files.filter((name) => name !== "index.html"), "icon.svg"].sort();
      const hash = createHash("sha256");
      for (const name of files) {
        const output = bundle[name]!;
        hash.update(output.type === "chunk" ? output.code : output.source);
      }
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk") throw new Error("no service worker was built");
      worker.code = worker.code
        .replace("__FILES__", JSON.stringify(listed))
        .replace("__VERSION__", JSON.stringify(hash.digest("hex").slice(0, 12)));
      if (worker.code.includes("__FILES__")) throw new Error("the list of files stands twice");
    },
  };
}

export default defineConfig({
  base: "./",
  define: { __RUNTIME__: JSON.stringify(FOLDER) },
  plugins: [runtime(), offline()],
  worker: { format: "iife" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      input: { index: "index.html", sw: "src/sw.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
