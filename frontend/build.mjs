// Bundles the dashboard into dist/, which the gateway serves below /dashboard/ while it runs.
// Names carry a hash of what they hold, a file is never changed, and the manifest is swapped in one step: whoever asks
// meanwhile gets the last build or this one, whole. Pages that are open still ask for files of earlier builds.
import { build } from "esbuild";
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

const here = import.meta.dirname;
const dist = join(here, "dist");
const OLD_MS = 7 * 24 * 3600 * 1000;

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: [
    { in: "src/main.ts", out: "app" },
    { in: "src/style.css", out: "app" },
    { in: "static/icon.svg", out: "icon" },
  ],
  entryNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  legalComments: "external",
  metafile: true,
  write: false,
  outdir: "dist",
  logLevel: "warning",
});

async function replace(name, contents) {
  await writeFile(join(dist, `.${name}`), contents);
  await rename(join(dist, `.${name}`), join(dist, name));
}

await mkdir(dist, { recursive: true });
const now = new Date();
const present = new Set(await readdir(dist));
for (const { path, contents } of outputFiles) {
  const name = basename(path);
  for (const [file, holds] of [[name, () => contents], [`${name}.gz`, () => gzipSync(contents, { level: 9 })]]) {
    if (present.has(file)) await utimes(join(dist, file), now, now); // in use again
    else await replace(file, holds());
  }
}
const entries = Object.entries(metafile.outputs).filter(([, { entryPoint }]) => entryPoint);
const manifest = Object.fromEntries(entries.map(([path]) => [basename(path).replace(/-[^-.]+\./, "."), basename(path)]));
await replace("manifest.json", JSON.stringify(manifest, null, 1));
for (const file of present) {
  if (now - (await stat(join(dist, file))).mtimeMs > OLD_MS) await rm(join(dist, file), { recursive: true });
}
