"use strict";
const silence = 30000;
const lost = {
  signal: "out", waiting: false,
  words: {
    en: { what: "This display has lost its lane", next: "Please see the guard." },
    zh: { what: "顯示屏與閘機失去連線", next: "請向保安員查詢。" },
  },
};
const at = (id) => document.getElementById(id);
function put(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}
function show(view) {
  document.body.dataset.signal = view.signal;
  for (const lang of ["en", "zh"]) {
    put("what-" + lang, view.words[lang].what);
    put("next-" + lang, view.words[lang].next);
  }
  at("waiting").hidden = !view.waiting;
  if (view.by_hand) {
    for (const lang of ["en", "zh"]) {
      put("hand-" + lang, view.by_hand[lang].what);
      put("since-" + lang, view.by_hand[lang].next);
    }
    at("hand").hidden = !view.by_hand.en.what;
  }
  if (view.name) {
    put("name", view.name);
    document.title = view.name;
  }
}
let watch;
function heard() {
  clearTimeout(watch);
  watch = setTimeout(() => { show(lost); connect(); }, silence);
}
let source;
function connect() {
  if (source) source.close();
  source = new EventSource(location.pathname.replace(/\/$/, "") + "/events");
  source.onmessage = (e) => { heard(); show(JSON.parse(e.data)); };
  source.onerror = () => {
    show(lost);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
  heard();
}
connect();
