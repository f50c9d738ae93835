// The README's pictures, of the suite that is up. Its addresses and tokens come in the environment.
import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";

const { CATALOG_URL, OPS_TOKEN, STOREFRONT_URL } = process.env;
const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../docs/pictures");
const LIMIT = 200 * 1024;

const item = async (id) => (await fetch(`${CATALOG_URL}/api/v1/catalog/items/${id}`)).json();

const price = async (id, amount) => {
  const answer = await fetch(`${CATALOG_URL}/api/v1/catalog/items/${id}/price`, {
    method: "PUT",
    headers: { authorization: `Bearer ${OPS_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ price: amount }),
  });
  if (!answer.ok) throw new Error(`the catalogue did not take the price: ${answer.status}`);
};

const take = async (page, name) => {
  const file = join(folder, `${name}.png`);
  await page.evaluate(() => Promise.all([...document.images].map((image) => { image.loading = "eager"; return image.decode(); })));
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  if (size > LIMIT) throw new Error(`${file} has ${size} bytes, more than ${LIMIT}`);
  console.log(`${file} (${Math.round(size / 1024)} KiB)`);
};

const visitor = async (browser, name, viewport, roles) => {
  const context = await browser.newContext({ baseURL: STOREFRONT_URL, viewport, colorScheme: "light", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto("/sign-in");
  await page.fill("#name", name);
  for (const role of roles) await page.check(`#${role}`);
  await page.click("main button");
  return page;
};

const shop = async (browser) => {
  const page = await visitor(browser, "maya", { width: 1280, height: 800 }, []);
  await page.goto("/");
  await page.waitForSelector(".product");
  await take(page, "catalogue");
  // What an earlier run has left behind.
  await page.goto("/cart");
  while (await page.locator(".remove button").count()) await page.locator(".remove button").first().click();
  if (await page.locator("#acknowledge").count()) await page.click("#acknowledge");
  for (const id of [2, 30, 64]) {
    await page.goto(`/products/${id}`);
    await page.click("text=Add to cart");
    await page.waitForSelector(".line");
  }
  await page.goto("/cart");
  await page.waitForSelector("html[data-is-live]");
  const before = await item(30);
  try {
    await price(30, (Number(before.price) * 0.85).toFixed(2));
    await page.waitForSelector(".news");
    await page.evaluate(() => scrollTo(0, 0));
    await take(page, "shop");
  } finally {
    await price(30, before.price);
  }
};

const controlRoom = async (browser) => {
  const page = await visitor(browser, "oskar", { width: 1280, height: 900 }, ["operator"]);
  const answer = await page.goto("/ops");
  if (answer.status() !== 200) return console.log(`no picture of the control room: /ops answered ${answer.status()}`);
  // Something has to happen for there to be something to see: a minute of it, in waves.
  const before = await item(30);
  for (let turn = 1; turn <= 120; turn += 1) {
    await price(30, (Number(before.price) + turn / 100).toFixed(2));
    await page.waitForTimeout(turn % 30 < 15 ? 100 : 700);
  }
  await price(30, before.price);
  await take(page, "control-room");
};

mkdirSync(folder, { recursive: true });
const browser = await launch();
try {
  await shop(browser);
  await controlRoom(browser);
} finally {
  await browser.close();
}
