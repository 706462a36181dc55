/**
 * The script of every participant page, live or not: bundled by the server, loaded in the page's <head>.
 * It gives authors `forminputs`, makes sliders work, and fills inputs again after a failed submit.
 */
import type { PageFormData } from "./form-data.ts";
import { restoreInputs } from "./form-inputs.ts";
import { watchSubmits } from "./page-form.ts";
import { watchSlider } from "./slider.ts";

declare global {
  interface Window {
    /** The inputs of the page's form by name: `forminputs.age.value`. */
    readonly forminputs: HTMLFormControlsCollection;
  }
}

/** By its attribute: an input named "id" hides the property. */
const pageForm = () => document.querySelector<HTMLFormElement>("form#form");

Object.defineProperty(window, "forminputs", {
  get: () => {
    const form = pageForm();
    // As a property, it could be hidden by an input named "elements".
    return form && Reflect.get(HTMLFormElement.prototype, "elements", form);
  },
});

document.addEventListener("DOMContentLoaded", () => {
  for (const range of document.querySelectorAll<HTMLInputElement>(".slider > input[type=range]")) watchSlider(range);
  const form = pageForm();
  const data = document.getElementById("walras-form")?.textContent;
  if (form && data) restoreInputs(form, JSON.parse(data) as PageFormData);
});

// A live page's script does both itself, with its outbox in mind.
if (!("live" in window)) {
  watchSubmits(document, () => performance.now());
  addEventListener("pageshow", (event) => {
    // Out of the back/forward cache: the participant may be elsewhere by now.
    if (event.persisted) location.replace(location.pathname + location.search);
  });
}
