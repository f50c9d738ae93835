// A headless browser that talks to nobody but the pages it is sent to.
import { existsSync } from "node:fs";
import { require } from "./modules.mjs";

const { chromium } = require("playwright-core");

const program = () => {
  const known = [process.env.SHOP_CHROMIUM, ...(process.env.PATH ?? "").split(":").map((folder) => `${folder}/chromium`)];
  const found = known.find((path) => path && existsSync(path));
  if (!found) throw new Error("there is no Chromium: install Debian's package chromium, or set SHOP_CHROMIUM to its path");
  return found;
};

// Playwright gives every browser a new profile and removes it in the end.
export const launch = () => chromium.launch({
  executablePath: program(),
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
  ],
});

export const axe = () => require("axe-core").source;
