/** Where a session config sends those who have finished. */
export interface Completion {
  /** Address of the recruiting site, or nothing. */
  readonly link: string;
  /** What they copy there, or nothing. */
  readonly code: string;
}

/**
 * What the page after the last one says, by `completionLink` and `completionCode` of the session config.
 * In the link, `{label}` and `{code}` stand for the participant's label and code.
 *
 * @param config JSON of the session config
 */
export function completionOf(config: string, participant: { label: string | null; code: string }): Completion {
  const { completionLink, completionCode } = JSON.parse(config) as Record<string, unknown>;
  const filled =
    typeof completionLink !== "string"
      ? ""
      : completionLink
          .replaceAll("{label}", encodeURIComponent(participant.label ?? ""))
          .replaceAll("{code}", encodeURIComponent(participant.code));
  // Only to another page: `javascript:` and its like are nobody's recruiting site.
  const link = /^https?:\/\//.test(filled) ? filled : "";
  return { link, code: typeof completionCode === "string" ? completionCode : "" };
}
