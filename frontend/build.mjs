// Bundles the dashboard into dist/, which the gateway serves below /static/dashboard/.
import { build } from "esbuild";
import { cp, rm } from "node:fs/promises";

const here = import.meta.dirname;
await rm(`${here}/dist`, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: [
    { in: "src/main.ts", out: "app" },
    { in: "src/style.css", out: "app" },
  ],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  legalComments: "external",
  outdir: "dist",
  logLevel: "warning",
});
await cp(`${here}/static`, `${here}/dist`, { recursive: true });
