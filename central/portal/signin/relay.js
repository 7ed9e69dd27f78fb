// Sends a provider's answer again from a page of our own: the button does the same.
"use strict";
document.querySelector("form[data-relay]").requestSubmit();
