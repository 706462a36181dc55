import { WalrasError } from "./errors.ts";

/**
 * The message that `call(type, data)` sends: `{ type, ...data }`, as a page's map of live methods by type takes it.
 *
 * @throws WalrasError `wrong_call`
 */
export function callMessage(type: string, data: object = {}): object {
  if (typeof type !== "string" || type === "") {
    throw wrong(`its first argument is ${kindOf(type)}; give it the type of message`);
  }
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    throw wrong(`its second argument is ${kindOf(data)}; give it an object, or leave it out`);
  }
  if ("type" in data && data.type !== type) {
    throw wrong("the data has a `type` of its own; choose another name for that");
  }
  return { type, ...data };
}

function kindOf(value: unknown): string {
  if (value === "") return "an empty text";
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}

function wrong(why: string): WalrasError {
  return new WalrasError("wrong_call", `live.call(type, data), e.g. live.call("offer", { price: 4 }): ${why}.`);
}
