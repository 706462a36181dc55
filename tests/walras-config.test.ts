import { expect, test } from "@jest/globals";
import { defineConfig } from "../index.ts";
import { refused } from "./helpers/refused.ts";

const session = { name: "auction", appSequence: ["auction"], numDemoParticipants: 4 };

test("a configuration is completed with its defaults", () => {
  const plain = defineConfig({ sessionConfigs: [session] });
  expect(plain).toEqual({
    sessionConfigs: [session],
    labs: [],
    currency: { locale: "en", code: null, decimals: 0, points: ["point", "points"] },
    language: "en",
    languages: expect.anything(),
    participantFields: {},
    sessionFields: {},
    ownFields: { participant: {}, session: {} },
  });
  const full = defineConfig({
    sessionConfigs: [
      { ...session, displayName: "Auction", fee: 3 },
      { ...session, name: "other" },
    ],
    sessionConfigDefaults: { fee: 5, treatment: "A" },
    currency: { code: "EUR", locale: "de" },
    language: "de",
  });
  expect(full.sessionConfigs).toEqual([
    { ...session, displayName: "Auction", fee: 3, treatment: "A" },
    { ...session, name: "other", fee: 5, treatment: "A" },
  ]);
  expect(full.currency).toEqual({ locale: "de", code: "EUR", decimals: 2, points: ["Punkt", "Punkte"] });
  expect(defineConfig({ sessionConfigs: [session], currency: { decimals: 2 } }).currency).toMatchObject({
    code: null,
    decimals: 2,
  });
});

const config = (rest: object) => () => defineConfig({ sessionConfigs: [session], ...rest });
const configured = (rest: object) => config({ sessionConfigs: [{ ...session, ...rest }] });

const CONFIG_MISTAKES: [what: string, call: () => unknown, code: string, ...words: string[]][] = [
  ["no object", () => defineConfig(undefined as never), "wrong_config", "undefined", "object"],
  ["oTree's name for it", config({ session_configs: [] }), "unknown_option", 'mean "sessionConfigs"'],
  ["no session configs", config({ sessionConfigs: [] }), "wrong_config", "sessionConfigs", "an empty array", "auction"],
  [
    "a session config that is text",
    config({ sessionConfigs: ["auction"] }),
    "wrong_config",
    "sessionConfigs[0]",
    '"auction"',
  ],
  [
    "a bad name",
    configured({ name: "my auction" }),
    "wrong_config",
    "sessionConfigs[0].name",
    '"my auction"',
    "underscores",
  ],
  [
    "the same name twice",
    config({ sessionConfigs: [session, session] }),
    "wrong_config",
    "sessionConfigs[1].name",
    "another",
  ],
  ["no apps", configured({ appSequence: [] }), "wrong_config", "session config auction: appSequence", "an empty array"],
  ["an app twice", configured({ appSequence: ["a", "b", "a"] }), "wrong_config", "appSequence", '"a"', "once"],
  ["an app that is no name", configured({ appSequence: [3] }), "wrong_config", "appSequence", "3", "string"],
  ["no participants", configured({ numDemoParticipants: 0 }), "wrong_config", "numDemoParticipants", "0", "from 1"],
  ["a displayName that is no text", configured({ displayName: 3 }), "wrong_config", "displayName", "string"],
  ["a parameter that is not JSON", configured({ profit: () => 1 }), "wrong_config", "auction.profit", "function"],
  [
    "an unknown currency option",
    config({ currency: { usePoints: true } }),
    "unknown_option",
    "currency",
    '"usePoints"',
  ],
  ["money without a code", config({ currency: { points: false } }), "wrong_config", "currency.code", "EUR"],
  [
    "points that are paid in an unknown money",
    config({ currency: { points: true, code: "euros" } }),
    "wrong_config",
    "currency.code",
    "ISO",
  ],
  ["an unknown code", config({ currency: { code: "Euro" } }), "wrong_config", "currency.code", '"Euro"', "ISO"],
  ["too many decimals", config({ currency: { decimals: 11 } }), "wrong_config", "currency.decimals", "11", "0 to 10"],
  ["a bad locale", config({ currency: { locale: "de_CH!" } }), "wrong_config", "currency.locale", "pt-BR"],
  ["a bad language", config({ language: 3 }), "wrong_config", "language", "3", "pt-BR"],
];

test.each(CONFIG_MISTAKES)(
  "a configuration is refused with place, value and cure: %s",
  (_what, call, code, ...words) => {
    const error = refused(call);
    expect(error.code).toBe(code);
    for (const word of ["walras.config", ...words]) expect(error.message).toContain(word);
  },
);
