/** Where a session config sends those who have finished, or were replaced. */
export interface Completion {
  /** Address of the recruiting site, or nothing. */
  readonly link: string;
  /** What they copy there, or nothing. */
  readonly code: string;
}

/** A participant who is at the end. */
export interface Finished {
  readonly label: string | null;
  readonly code: string;
  /** What the app says of them, in `participant.status`. */
  readonly status: string | null;
  /** The computer has taken their place. */
  readonly isReplaced: boolean;
}

/**
 * What the page after the last one says, by `completionLink` and `completionCode` of the session config, or by
 * `replacedLink` and `replacedCode` of it. Each is a text, or texts by `participant.status`, with `default` for
 * everybody else. In the link, `{label}` and `{code}` stand for the participant's label and code.
 */
export function completionOf(config: Readonly<Record<string, unknown>>, participant: Finished): Completion {
  const [link, code] = participant.isReplaced
    ? [config.replacedLink, config.replacedCode]
    : [config.completionLink, config.completionCode];
  const filled = textFor(link, participant)
    .replaceAll("{label}", encodeURIComponent(participant.label ?? ""))
    .replaceAll("{code}", encodeURIComponent(participant.code));
  // Only to another page: `javascript:` and its like are nobody's recruiting site.
  return { link: /^https?:\/\//.test(filled) ? filled : "", code: textFor(code, participant) };
}

function textFor(given: unknown, { status }: Finished): string {
  if (typeof given !== "object" || given === null) return typeof given === "string" ? given : "";
  const texts = new Map<string, unknown>(Object.entries(given));
  const text = texts.get(status ?? "default") ?? texts.get("default");
  return typeof text === "string" ? text : "";
}
