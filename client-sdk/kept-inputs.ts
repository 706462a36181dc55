import { inputsOf, isTick } from "./form-inputs.ts";

/** Values by input name, as the form would post them: boxes that are not ticked are not in it. */
type Kept = Record<string, string[]>;

/**
 * Keeps what is typed into a page and not sent yet through reloads, in this tab of the browser, and puts it back.
 *
 * @param path of the page. Only one page of a participant is kept: what belongs to another is forgotten
 * @param restore false: the page came back with errors, and the server has filled it in with what was posted
 */
export function keepInputs(form: HTMLFormElement, storage: Storage, path: string, restore: boolean): void {
  const known = read(storage, path);
  if (known !== undefined && restore) fill(form, known);
  const keep = (): void => {
    try {
      storage.setItem(keyOf(path), JSON.stringify({ path, values: values(form) }));
    } catch {
      // Full: then a reload loses what is typed, as it would without all this.
    }
  };
  document.addEventListener("input", keep);
  document.addEventListener("change", keep);
  // What scripts have put into hidden inputs makes no event.
  addEventListener("pagehide", keep);
}

/** Forgets what was kept for another page of the participant: they have left it. */
export function forgetOtherInputs(storage: Storage, path: string): void {
  if (read(storage, path) === undefined) storage.removeItem(keyOf(path));
}

/** By participant, `/p/<code>`: the pages of several may be frames of one tab. */
function keyOf(path: string): string {
  return `walras-inputs ${path.split("/").slice(0, 3).join("/")}`;
}

function read(storage: Storage, path: string): Kept | undefined {
  const text = storage.getItem(keyOf(path));
  if (text === null) return undefined;
  const kept = JSON.parse(text) as { path: string; values: Kept };
  return kept.path === path ? kept.values : undefined;
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
