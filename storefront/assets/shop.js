// Renews an open page. Everything else works without this script.
//
// data-stream="/path"  the page listens to this stream of events
// data-live="/path"    an element with an id; a change renews its content from this path
// data-of="/path"      the stream that signals the change; the default is /live
// data-missing         a part that is unavailable: the page is requested again until it is complete
"use strict";
(() => {
  const RETRY = 2000;
  const TOAST = 15000;

  let running = null;
  const changed = new Set();

  // Renews the live parts of a stream. Changes that arrive meanwhile lead to one more turn.
  const refresh = (stream) => {
    changed.add(stream);
    running ??= (async () => {
      try {
        while (changed.size > 0) {
          const streams = new Set(changed);
          changed.clear();
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

  // What the visitor is typing, the focus, and opened details stay.
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

  const showToast = (sentence) => {
    const toast = document.createElement("p");
    toast.className = "toast";
    toast.textContent = sentence;
    const toasts = document.getElementById("toasts");
    while (toasts.childElementCount > 2) toasts.firstElementChild.remove();
    toasts.append(toast);
    setTimeout(() => toast.remove(), TOAST);
  };

  const setLive = (isLive) => {
    document.getElementById("live-state").hidden = isLive;
    document.documentElement.toggleAttribute("data-is-live", isLive);
  };

  // A hidden tab closes its connections: browsers allow only a few for each site.
  const streams = new Map();
  const listen = () => {
    for (const element of document.querySelectorAll("[data-stream]")) {
      const path = element.dataset.stream;
      if (streams.has(path)) continue;
      const stream = new EventSource(path);
      streams.set(path, stream);
      stream.addEventListener("changed", (event) => {
        setLive(true);
        if (event.data) showToast(event.data);
        refresh(path);
      });
      stream.addEventListener("unavailable", () => setLive(false));
      stream.addEventListener("over", () => {
        setLive(false);
        stream.close();
      });
      stream.addEventListener("error", () => {
        setLive(false);
        // The browser reconnects by itself, unless the request was refused.
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

  // Requests the whole page again until it is complete.
  const retry = async () => {
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(8000) });
      if (answer.ok) return location.reload();
    } catch { /* still unavailable */ }
    setTimeout(retry, RETRY);
  };

  if (document.querySelector("[data-missing]")) setTimeout(retry, RETRY);
  listen();

  // The notice of "?did=…" was shown. It should not be shown again when the visitor returns to this page.
  const here = new URL(location.href);
  if (here.searchParams.has("did")) {
    here.searchParams.delete("did");
    history.replaceState(history.state, "", here);
  }
})();
