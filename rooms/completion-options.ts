import { AuthorError } from "../client-sdk/errors.ts";
import { describe } from "../entities/values.ts";

/** Parameters of a session config that are addresses. */
const LINKS = ["completionLink", "replacedLink"];
/** Parameters of a session config that are shown as they are. */
const CODES = ["completionCode", "replacedCode"];

/**
 * Checks what a session config says to those who are at the end: what is wrong there, participants would be
 * the first to notice, and only when they want their money.
 *
 * @throws AuthorError `wrong_config`
 */
export function checkCompletion(parameters: Readonly<Record<string, unknown>>, named: string): void {
  for (const name of [...LINKS, ...CODES]) {
    const given = parameters[name];
    if (given === undefined) continue;
    const isByStatus = typeof given === "object" && given !== null && !Array.isArray(given);
    const texts = isByStatus ? Object.entries(given) : [["", given] as const];
    for (const [status, text] of texts) {
      const where = `walras.config: ${named}: ${name}${status === "" ? "" : `["${status}"]`}`;
      const isLink = LINKS.includes(name);
      if (typeof text === "string" && (!isLink || /^https?:\/\//.test(text))) continue;
      const cure = isLink
        ? 'give it an address, e.g. "https://app.prolific.com/submissions/complete?cc=C1", or addresses by participant.status: { default: "https://…", screenedOut: "https://…" }'
        : 'give it a text, e.g. "C1", or texts by participant.status: { default: "C1", screenedOut: "C2" }';
      throw new AuthorError("wrong_config", `${where} is ${describe(text)}; ${cure}.`);
    }
  }
}
