import { inputsOf, isTick } from "./form-inputs.ts";

/** Values by input name, as the form would post them: boxes that are not ticked are not in it. */
type Kept = Record<string, string[]>;

/**
 * Keeps what is typed into a page and not sent yet through reloads, in this tab of the browser, and puts it back.
 *
 * @param path of the page
 * @param restore false: the page came back with errors, and the server has filled it in with what was posted
 */
export function keepInputs(form: HTMLFormElement, storage: Storage, path: string, restore: boolean): void {
  const known = storage.getItem(PREFIX + path);
  if (known !== null && restore) fill(form, JSON.parse(known));
  const keep = (): void => {
    try {
      storage.setItem(PREFIX + path, JSON.stringify(values(form)));
    } catch {
      // Full: then a reload loses what is typed, as it would without all this.
    }
  };
  document.addEventListener("input", keep);
  document.addEventListener("change", keep);
  // What scripts have put into hidden inputs makes no event.
  addEventListener("pagehide", keep);
}

/**
 * Forgets what was kept for pages before this one, which have been sent; who has come back by the Back button finds
 * those after it as they were. Other participants' pages may be frames of the same tab.
 */
export function forgetSentInputs(storage: Storage, path: string): void {
  const [code, index] = placeOf(path);
  for (const key of Object.keys(storage)) {
    if (!key.startsWith(PREFIX)) continue;
    const [otherCode, otherIndex] = placeOf(key.slice(PREFIX.length));
    if (otherCode === code && otherIndex < index) storage.removeItem(key);
  }
}

const PREFIX = "walras-inputs ";

/** Code and index of `/p/<code>/<app>/<Page>/<index>`. */
function placeOf(path: string): [string, number] {
  const parts = path.split("/");
  return [parts[2] ?? "", Number(parts.at(-1))];
}

function values(form: HTMLFormElement): Kept {
  const kept = new Map<string, string[]>();
  for (const input of inputsOf(form)) {
    if (!isKept(input)) continue;
    const all = kept.get(input.name) ?? [];
    if (!isTick(input) || input.checked) all.push(input.value);
    kept.set(input.name, all);
  }
  return Object.fromEntries(kept);
}

function fill(form: HTMLFormElement, kept: Kept): void {
  const used = new Map<string, number>();
  for (const input of inputsOf(form)) {
    const all = isKept(input) && Object.hasOwn(kept, input.name) ? kept[input.name] : undefined;
    if (all === undefined) continue;
    if (isTick(input)) {
      input.checked = all.includes(input.value);
      continue;
    }
    // Several of one name are told apart by their order.
    const i = used.get(input.name) ?? 0;
    used.set(input.name, i + 1);
    const value = all[i];
    if (value !== undefined) input.value = value;
  }
}

function isKept({ name, type }: { name: string; type: string }): boolean {
  return (
    name !== "" &&
    !name.startsWith("_walras") &&
    !["file", "password", "submit", "button", "image", "reset"].includes(type)
  );
}
