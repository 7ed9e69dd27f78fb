// Solves the small piece of work that keeps programs from sending mail in people's
// names, while somebody fills a form in. Without it the form has to wait a little.
"use strict";
(function () {
  document.querySelectorAll("[data-human]").forEach((place) => {
    const form = place.closest("form"), field = place.querySelector("[name=altcha]"), said = place.querySelector("[role=status]");
    const task = JSON.parse(place.dataset.human);
    let work = null, pressed = null;
    function begin() {
      if (work || !window.Worker || !window.crypto || !crypto.subtle) return;
      work = new Worker(place.dataset.worker);
      const finish = (number) => {
        work.terminate();
        if (number !== undefined) field.value = btoa(JSON.stringify({ algorithm: task.algorithm, challenge: task.challenge, number, salt: task.salt, signature: task.signature }));
        place.dataset.ready = "1";
        said.hidden = true;
        if (pressed) form.requestSubmit(pressed.isConnected ? pressed : undefined);
      };
      work.onmessage = (event) => finish(event.data ? event.data.number : undefined);
      work.onerror = () => finish(undefined);
      work.postMessage({ type: "work", payload: task, start: 0, max: task.maxNumber });
    }
    form.addEventListener("focusin", begin);
    form.addEventListener("submit", (event) => {
      begin();
      if (place.dataset.ready || !work) return;
      event.preventDefault();
      pressed = event.submitter || form.querySelector("button");
      said.hidden = false;
    });
  });
})();
