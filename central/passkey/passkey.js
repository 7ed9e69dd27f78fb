// Talks to authenticators. A form with data-passkey="get" signs in, one with
// data-passkey="create" makes a passkey; data-begin and data-finish are where.
"use strict";
(function () {
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function post(url, body) {
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify(body) });
    if (answer.redirected) { // the sign-in was not recent
      location = answer.url;
      return new Promise(() => {});
    }
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.detail);
    return data;
  }

  function decode(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.allowCredentials, options.excludeCredentials]) (list || []).forEach((c) => { c.id = bytes(c.id); });
    return options;
  }

  function encode(made) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    if (made.response.getTransports) response.transports = made.response.getTransports();
    return { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: made.getClientExtensionResults(),
      authenticatorAttachment: made.authenticatorAttachment || undefined };
  }

  const values = (form) => Object.fromEntries(new FormData(form));
  function show(form, message) {
    const place = form.querySelector("[data-passkey-problem]");
    place.textContent = message;
    place.hidden = !message;
  }

  let waiting = null; // a request that autofill answers
  async function run(form, mediation) {
    const begun = await post(form.dataset.begin, form.dataset.passkey === "create" ? { token: values(form).token } : {});
    const publicKey = decode(begun.options);
    if (waiting) waiting.abort();
    waiting = new AbortController();
    const made = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey, mediation, signal: waiting.signal });
    const done = await post(form.dataset.finish, { ...values(form), state: begun.state, answer: encode(made) });
    location = done.to;
  }

  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      show(form, "");
      try {
        await run(form, "optional");
      } catch (problem) {
        show(form, problem.name === "NotAllowedError" || problem.name === "AbortError" ? form.dataset.cancelled : problem.name === "InvalidStateError" ? form.dataset.known : problem.message);
      }
    });
    if (form.dataset.passkey !== "get" || !PublicKeyCredential.isConditionalMediationAvailable) return;
    const offer = async () => {
      if (await PublicKeyCredential.isConditionalMediationAvailable()) run(form, "conditional").catch((problem) => {
        if (problem.name !== "AbortError" && problem.name !== "NotAllowedError") show(form, problem.message);
      });
    };
    offer();
    setInterval(offer, 8 * 60 * 1000); // before what central signed has expired
  });
})();
