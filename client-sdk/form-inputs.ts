import { FILLED_MARK, type PageFormData } from "./form-data.ts";

export type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/**
 * Looks after inputs that an author wrote in HTML, so that they behave as those of `{{ formfields }}`: what
 * was typed before a failed submit is in them again, what is wrong is marked and focused.
 */
export function restoreInputs(form: HTMLFormElement, { answers, errors, failed }: PageFormData): void {
  for (const input of inputsOf(form)) {
    if (input.hasAttribute(FILLED_MARK) || input.name.startsWith("_walras")) continue;
    const answer = Object.hasOwn(answers, input.name) ? answers[input.name] : undefined;
    if (answer !== undefined) setInput(input, answer);
    else if (failed && isTick(input)) input.checked = false;
  }
  for (const [name, error] of Object.entries(errors)) {
    for (const input of inputsOf(form)) if (input.name === name) mark(input, error);
  }
  focusFirst(form, Object.keys(errors));
  if (Object.keys(errors).length === 0) return;
  const settle = ({ target }: Event): void => {
    const name = target instanceof Element ? target.getAttribute("name") : null;
    if (name !== null && Object.hasOwn(errors, name)) unmark(form, name);
  };
  document.addEventListener("input", settle);
  document.addEventListener("change", settle);
}

/** Another answer than the one that was wrong: whether it is right, the next submit tells. */
function unmark(form: HTMLFormElement, name: string): void {
  const place = document.getElementById(`id_${name}-error`);
  if (place !== null) place.textContent = "";
  const box = place?.closest(".otree-form-field");
  box?.classList.remove("has-error");
  for (const marked of box?.querySelectorAll("[aria-invalid]") ?? []) marked.removeAttribute("aria-invalid");
  for (const input of inputsOf(form)) if (input.name === name) input.removeAttribute("aria-invalid");
}

export function inputsOf(form: HTMLFormElement): Input[] {
  // Not form.elements, which an input of that name would hide.
  return [...document.querySelectorAll<Input>("input, select, textarea")].filter((input) => input.form === form);
}

export function isTick(input: Input): input is HTMLInputElement {
  return input instanceof HTMLInputElement && (input.type === "checkbox" || input.type === "radio");
}

function setInput(input: Input, answer: string): void {
  if (isTick(input)) input.checked = plain(input.value) === plain(answer);
  else if (input.type === "hidden") input.value ||= answer;
  else if (input.type !== "file" && input.type !== "submit" && input.type !== "button") input.value = answer;
}

/** Yes and no, as the many ways of writing them go. */
function plain(value: string): string {
  const lower = value.toLowerCase();
  if (lower === "1" || lower === "on") return "true";
  return lower === "0" || lower === "off" ? "false" : lower;
}

function mark(input: Input, error: string): void {
  if (input.type === "hidden" || input.hasAttribute(FILLED_MARK)) return;
  input.setAttribute("aria-invalid", "true");
  const place = document.getElementById(`id_${input.name}-error`);
  if (place !== null && !input.hasAttribute("aria-describedby")) input.setAttribute("aria-describedby", place.id);
  // Without a place of its own the error is in the list above the page; whoever hovers sees it here too.
  if (place === null && input.title === "") input.title = error;
}

function focusFirst(form: HTMLFormElement, names: readonly string[]): void {
  const active = document.activeElement;
  if (active !== null && active !== document.body) return;
  // The browser gives it the focus a little later.
  if (document.querySelector("[autofocus]") !== null) return;
  const inputs = inputsOf(form);
  const first = inputs.find((input) => names.includes(input.name) && input.type !== "hidden");
  first?.focus();
}
