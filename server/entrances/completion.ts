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
  /** The computer has taken their place. */
  readonly isReplaced: boolean;
}

/**
 * What the page after the last one says, by `completionLink` and `completionCode` of the session config, or by
 * `replacedLink` and `replacedCode` of it. In the link, `{label}` and `{code}` stand for the participant's label and
 * code.
 */
export function completionOf(config: Readonly<Record<string, unknown>>, participant: Finished): Completion {
  const [given, code] = participant.isReplaced
    ? [config.replacedLink, config.replacedCode]
    : [config.completionLink, config.completionCode];
  const filled =
    typeof given !== "string"
      ? ""
      : given
          .replaceAll("{label}", encodeURIComponent(participant.label ?? ""))
          .replaceAll("{code}", encodeURIComponent(participant.code));
  // Only to another page: `javascript:` and its like are nobody's recruiting site.
  const link = /^https?:\/\//.test(filled) ? filled : "";
  return { link, code: typeof code === "string" ? code : "" };
}
