import { AuthorError } from "../client-sdk/errors.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";

/** A permanent entrance, `/lab/<name>`: its links stay the same whatever session is played. */
export interface LabDefinition {
  /** Names it in its address: letters, digits, underscores and hyphens. */
  name: string;
  /** For people. Default: the name. */
  displayName?: string;
  /** Text file with a participant label on each line, from the project's folder. Only these labels are let in. */
  labelFile?: string;
  /** Links carry a hash that only the server can make, so that nobody can enter as somebody else. Default: false. */
  secureUrls?: boolean;
}

export interface Lab {
  readonly name: string;
  readonly displayName: string;
  readonly labelFile: string | undefined;
  readonly secureUrls: boolean;
}

/** @throws AuthorError `wrong_config` or `unknown_option`, naming place, value and cure */
export function checkLabs(labs: readonly LabDefinition[]): Lab[] {
  if (!Array.isArray(labs)) {
    throw wrong("labs", labs, 'give it an array such as [{ name: "econ", labelFile: "labels/econ.txt" }]');
  }
  const seen = new Set<string>();
  return labs.map((lab: LabDefinition, index) => {
    const where = `labs[${index}]`;
    if (typeof lab !== "object" || lab === null) throw wrong(where, lab, 'give it an object, e.g. { name: "econ" }');
    checkKeys(lab, ["name", "displayName", "labelFile", "secureUrls"], `walras.config: ${where}`);
    const { name, displayName = name, labelFile, secureUrls = false } = lab;
    if (typeof name !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
      throw wrong(`${where}.name`, name, 'give it letters, digits, underscores and hyphens, e.g. "econ_lab"');
    }
    if (seen.has(name)) throw wrong(`${where}.name`, name, "another lab has it already; choose another");
    seen.add(name);
    if (typeof displayName !== "string") throw wrong(`${where}.displayName`, displayName, "give it a string");
    if (labelFile !== undefined && typeof labelFile !== "string") {
      throw wrong(`${where}.labelFile`, labelFile, 'name a file in the project, e.g. "labels/econ.txt"');
    }
    if (typeof secureUrls !== "boolean") throw wrong(`${where}.secureUrls`, secureUrls, "give it true or false");
    if (secureUrls && labelFile === undefined) {
      throw wrong(`${where}.secureUrls`, secureUrls, "a secure link is one label's, so give the lab a labelFile too");
    }
    return { name, displayName, labelFile, secureUrls };
  });
}

function wrong(where: string, value: unknown, cure: string): AuthorError {
  return new AuthorError("wrong_config", `walras.config: ${where} is ${describe(value)}; ${cure}.`);
}
