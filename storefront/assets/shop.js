// Keeps an open page fresh. Without it, everything works but for that.
//
// data-stream="/path"  an element whose stream of events is listened to
// data-live="/path"    an element with an id, whose content is taken anew from there when something has changed
// data-of="/path"      the stream that says so; without it, /live
// data-missing         a part that could not be shown: the page is asked for again until it can
"use strict";
(() => {
  const RETRY = 2000;
  const TOAST = 15000;

  let running = null;
  const spoken = new Set();

  // Renders a stream's live parts anew. Changes that come meanwhile are taken together in one more turn.
  const refresh = (stream) => {
    spoken.add(stream);
    running ??= (async () => {
      try {
        while (spoken.size > 0) {
          const streams = new Set(spoken);
          spoken.clear();
          const parts = [...document.querySelectorAll("[data-live]")].filter((part) => streams.has(part.dataset.of ?? "/live"));
          const paths = new Set(parts.map((part) => part.dataset.live));
          await Promise.all([...paths].map((path) => renew(path, parts)));
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };

  const renew = async (path, parts) => {
    let fresh;
    try {
      const answer = await fetch(path, { headers: { accept: "text/html" }, redirect: "error", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) return;
      fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return;
    }
    for (const part of parts) {
      const next = part.dataset.live === path && fresh.getElementById(part.id);
      if (next && next.innerHTML !== part.innerHTML) swap(part, next);
    }
  };

  // What somebody is just typing, and where they are, stays.
  const swap = (part, next) => {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const typed = new Map();
    for (const field of part.querySelectorAll("input[id]")) {
      if (field.value !== field.defaultValue) typed.set(field.id, field.value);
    }
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceChildren(...next.childNodes);
    part.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? details.open; });
    for (const [id, value] of typed) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    if (focused) {
      const same = focused.id ? document.getElementById(focused.id) : null;
      (same ?? document.getElementById("main")).focus({ preventScroll: true });
    }
  };

  const say = (sentence) => {
    const toast = document.createElement("p");
    toast.className = "toast";
    toast.textContent = sentence;
    const toasts = document.getElementById("toasts");
    while (toasts.childElementCount > 2) toasts.firstElementChild.remove();
    toasts.append(toast);
    setTimeout(() => toast.remove(), TOAST);
  };

  const away = (is) => {
    document.getElementById("live-state").hidden = !is;
    document.documentElement.toggleAttribute("data-is-live", !is);
  };

  // A hidden tab gives its connection back: browsers have only a few for each site.
  const streams = new Map();
  const listen = () => {
    for (const element of document.querySelectorAll("[data-stream]")) {
      const path = element.dataset.stream;
      if (streams.has(path)) continue;
      const stream = new EventSource(path);
      streams.set(path, stream);
      stream.addEventListener("changed", (event) => {
        away(false);
        if (event.data) say(event.data);
        refresh(path);
      });
      stream.addEventListener("away", () => away(true));
      stream.addEventListener("over", () => stream.close());
      stream.addEventListener("error", () => {
        away(true);
        // The browser connects again by itself, unless it was refused: then later, anew.
        if (stream.readyState === EventSource.CLOSED) {
          streams.delete(path);
          setTimeout(() => { if (!document.hidden) listen(); }, RETRY);
        }
      });
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return listen();
    for (const stream of streams.values()) stream.close();
    streams.clear();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // Asks for the whole page again until nothing is missing in it.
  const retry = async () => {
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(8000) });
      if (answer.ok) return location.reload();
    } catch { /* away still */ }
    setTimeout(retry, RETRY);
  };

  if (document.querySelector("[data-missing]")) setTimeout(retry, RETRY);
  listen();

  // "?did=…" has been said: coming back to this address should not say it again.
  const here = new URL(location.href);
  if (here.searchParams.has("did")) {
    here.searchParams.delete("did");
    history.replaceState(history.state, "", here);
  }
})();
