// The service worker: a phone shows its code where there is no network. In front of
// this stand VERSION and SHELL, the files that it keeps.
//
// Kept are these files, the page and the codes of the holder (cache "card"), and the
// page of guests with what it put into the cache "guest" itself. Never a redirect: a sign-in
// page must not be stored in the place of a code.
"use strict";
const FILES = "files-" + VERSION;
const CARD = ["/card/code", "/card/codes"];
const PATIENCE = 3000; // ms, before a phone with a bad network shows what it has

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((cache) => cache.addAll(SHELL)).then(guests).then(() => self.skipWaiting()));
});

// A guest opens the link once, and that is before there is a worker that sees it.
function guests() {
  return caches.open("guest").then((cache) => cache.add("/g")).catch(() => {});
}

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith("files-") && name !== FILES) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener("message", (event) => {
  if (event.data === "forget") event.waitUntil(caches.delete("card"));
});

self.addEventListener("fetch", (event) => {
  const request = event.request, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (CARD.includes(url.pathname)) event.respondWith(fresh(request, "card", url.pathname));
  else if (url.pathname === "/g") event.respondWith(fresh(request, "guest", "/g"));
  else if (request.mode === "navigate") event.respondWith(page(event));
});

async function file(request) {
  return (await caches.match(request).catch(() => undefined)) || fetch(request);
}

// page asks the network; without one there is the page that says so, which is kept in
// the language that somebody reads.
async function page(event) {
  try {
    const answer = await fetch(event.request);
    event.waitUntil(translate(answer.headers.get("Content-Language")));
    return answer;
  } catch (error) {
    return (await caches.match("/offline")) || Response.error();
  }
}

async function translate(lang) {
  const cache = await caches.open(FILES), kept = await cache.match("/offline");
  if (lang && kept && kept.headers.get("Content-Language") !== lang) await cache.add("/offline").catch(() => {});
}

// fresh asks the network first. What came from the cache says so, and is not taken
// for central's word about the time. A phone whose storage is full or forbidden keeps
// nothing, and shows what comes over the network all the same.
async function fresh(request, name, key) {
  let cache, kept;
  try {
    cache = await caches.open(name);
    kept = await cache.match(key);
  } catch (error) { /* nothing is kept */ }
  const asked = fetch(request).then(async (answer) => {
    if (cache) await keep(cache, key, answer).catch(() => {});
    return answer;
  });
  try {
    const answer = await (kept ? Promise.race([asked, patience()]) : asked);
    return answer.status >= 500 && kept ? old(kept) : answer;
  } catch (error) {
    if (kept) return old(kept);
    return request.mode === "navigate" ? (await caches.match("/offline")) || Response.error() : Response.error();
  }
}

async function keep(cache, key, answer) {
  if (answer.ok && !answer.redirected) await cache.put(key, answer.clone());
  else if (answer.status === 401 || answer.status === 403) await cache.delete(key);
}

function patience() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("slow")), PATIENCE));
}

async function old(kept) {
  const headers = new Headers(kept.headers);
  headers.set("X-Kept", "1");
  return new Response(await kept.blob(), { status: kept.status, headers });
}
