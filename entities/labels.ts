/** Characters of a label. */
const LONGEST = 100;
/** Whatever can be seen, in any script, with spaces between, and what joins letters or not (Persian names have it). */
const VISIBLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} \u200c\u200d]+$/u;

/**
 * A participant label as it is stored and compared: without spaces around it, its accents composed, so that
 * the same name typed on two computers is the same.
 *
 * @returns undefined: that is no label
 */
export function asLabel(text: unknown): string | undefined {
  if (typeof text !== "string") return undefined;
  const label = text.trim().normalize("NFC");
  return label.length <= LONGEST && VISIBLE.test(label) ? label : undefined;
}

/** How errors say what {@link asLabel} takes. */
export const LABEL_RULE = `A label has 1 to ${LONGEST} visible characters`;
