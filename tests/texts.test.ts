import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { defineConfig } from "../index.ts";
import { LANGUAGE_PACKS, Languages, PLAIN_POINTS } from "../rooms/languages.ts";
import { placesOf } from "../rooms/own-texts.ts";
import { EN } from "../rooms/texts/en.ts";
import { ask, enter, startTestServer, type TestServer } from "./helpers/http.ts";

const KEYS = Object.keys(EN).filter((key) => !/_(zero|one|two|few|many)$/.test(key));

describe("language packs", () => {
  test.each(Object.entries(LANGUAGE_PACKS))("%s has every text, with every place", (_code, pack) => {
    for (const key of KEYS) {
      expect(pack).toHaveProperty([key]);
      const english = [...placesOf(EN[key as keyof typeof EN])].sort();
      expect([key, ...placesOf(pack[key] ?? "")].sort()).toEqual([key, ...english].sort());
    }
    const others = Object.keys(pack).filter((key) => !KEYS.includes(key));
    expect(others.filter((key) => !KEYS.includes(key.replace(/_\w+$/, "")))).toEqual([]);
  });

  test("what participants know from oTree is said in the same words", () => {
    const texts: Readonly<Record<string, string>> = EN;
    expect(Object.values(texts)).toEqual(
      expect.arrayContaining([
        ...["Next", "Please wait", "Waiting for the other participant.", "Waiting for the other participants."],
        ...["Time left to complete this page:", "Please fix the errors.", "This field is required.", "Yes", "No"],
        ...["--------", "point", "points", "Welcome", "Please enter your participant label.", "Session is full."],
        ...["This participant label was not found.", "No more pages left", "An error occurred", "Send"],
        ...["{nickname} (Me)", "Participant {id}"],
      ]),
    );
    expect(EN.waitForSession).toContain("Waiting for your session to begin");
  });

  test("a language of a country uses its language's pack; one without a pack is English", () => {
    const languages = new Languages({ currency: PLAIN_POINTS });
    expect(languages.of("de-CH").say("next")).toBe("Weiter");
    expect(languages.of("sw").say("next")).toBe("Next");
    expect(languages.of("no such language").say("next")).toBe("Next");
  });

  test("plurals follow the language", () => {
    const languages = new Languages({ currency: PLAIN_POINTS });
    expect(languages.of("en").wait.body(1)).toBe("Waiting for the other participant.");
    expect(languages.of("en").wait.body(3)).toBe("Waiting for the other participants.");
    expect(languages.of("ar").wait.body(2)).not.toBe(languages.of("ar").wait.body(3));
    expect(languages.of("de").wait.missing([2, 3], 3)).toBe("Es fehlen noch: Spieler 2, Spieler 3.");
    expect(languages.of("zh").wait.missing([2, 3], 3)).toBe("尚未到达：玩家 2、玩家 3。");
  });
});

const SESSION = { name: "s", appSequence: ["a"], numDemoParticipants: 1 };

describe("an author's texts", () => {
  test("replace those of a pack, and add languages that fall back to English", () => {
    const { languages } = defineConfig({
      sessionConfigs: [SESSION],
      language: "de",
      texts: { de: { next: "Los!" }, pt: { next: "Próximo", waitBody_one: "Um." } },
    });
    expect(languages?.of().say("next")).toBe("Los!");
    expect(languages?.of().say("back")).toBe("Zurück");
    expect(languages?.of("pt-BR").say("next")).toBe("Próximo");
    expect(languages?.of("pt").wait.body(1)).toBe("Um.");
    expect(languages?.of("pt").texts.required).toBe("This field is required.");
  });

  test.each([
    [{ de: { nxt: "Weiter" } }, /texts\.de has no option "nxt"\. Did you mean "next"\?/],
    [{ de: { between: "{min} bis {most}" } }, /\{most\} stands for nothing: its values are \{min\}, \{max\}/],
    [{ deutsch_: { next: "Weiter" } }, /texts\.deutsch_ .* name each language as HTML does/],
    [{ de: { next: 3 } }, /texts\.de\.next is 3/],
    [{ de: "Weiter" }, /texts\.de is .*; give it texts by name/],
  ])("that nobody could use are refused: %j", (texts, message) => {
    expect(() => defineConfig({ sessionConfigs: [SESSION], texts: texts as never })).toThrow(message);
  });

  test("a session config's language must be one", () => {
    expect(() => defineConfig({ sessionConfigs: [{ ...SESSION, language: "klingon language" }] })).toThrow(
      /session config s: language/,
    );
  });
});

describe("a session in another language than the project's", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  async function begin(language: string): Promise<{ code: string; page: string }> {
    const config = { name: "probe", appSequence: ["probe"], numDemoParticipants: 2, language };
    const session = await server.game.createSession(config, { participants: 2, isDemo: true });
    const code = String(session.code);
    const links = await ask(`${server.base}/SessionStartLinks/${code}`);
    const participant = /\/InitializeParticipant\/([\w-]+)/.exec(links.text)?.[1] ?? "";
    const page = await ask(await enter(server.base, participant));
    return { code, page: page.text };
  }

  test("its pages say so to browsers, and the buttons and the sign of a lost connection speak it", async () => {
    const { page } = await begin("fr");
    expect(page).toContain('<html lang="fr" dir="ltr">');
    expect(page).toContain("Suivant</button>");
    expect(page).toContain('data-lost="Connexion perdue.');
    expect(page).toContain('"currency":{"locale":"fr"');
  });

  test("from right to left, where it is written so", async () => {
    const { page, code } = await begin("ar");
    expect(page).toContain('<html lang="ar" dir="rtl">');
    expect(page).toContain("التالي</button>");
    const welcome = await ask(`${server.base}/join/${code}`);
    expect(welcome.text).toContain('<html lang="ar" dir="rtl">');
    expect(welcome.text).toContain("ابدأ</button>");
  });

  test("a link to nobody is answered in the project's language", async () => {
    const answer = await ask(`${server.base}/InitializeParticipant/nobody`);
    expect(answer.status).toBe(404);
    expect(answer.text).toContain('<html lang="en" dir="ltr">');
    expect(answer.text).toContain("This link does not lead to anyone");
  });
});
