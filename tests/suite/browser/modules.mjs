// Where the packages of package-lock.json are: under the build directory, installed once for each lock file.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// Where the first of several that begin at once installs them; the others find the work done.
const install = () => {
  const lock = readFileSync(join(here, "package-lock.json"));
  const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../../target");
  const folder = join(target, "browser", createHash("sha256").update(lock).digest("hex").slice(0, 12));
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(here, file), join(fresh, file));
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: fresh, encoding: "utf8", timeout: 300_000,
  });
  if (npm.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new Error(`npm ci failed: ${npm.error ?? npm.stderr}`);
  }
  try {
    renameSync(fresh, folder);
  } catch {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
};

export const require = createRequire(join(install(), "package.json"));
