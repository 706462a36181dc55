import { defineBots } from "walras";
import app from "./index.ts";

/** Odd participants work and study something else; even ones neither. */
export default defineBots(app, async (bot) => {
  const isOdd = bot.participant % 2 === 1;

  const consent = await bot.submitMustFail({ consent: false });
  bot.expect(consent.includes("You can only take part if you agree."), "nobody takes part without consent");
  await bot.submit({ consent: true });

  const you = { age: 30, gender: "diverse", height: 1.72, field: isOdd ? "Something else" : "Law", employed: isOdd };
  const tooYoung = await bot.submitMustFail({ ...you, age: 15 });
  bot.expect(tooYoung.includes("16"), "who is too young is told the least age");
  await bot.submitMustFail({ ...you, gender: "unheard of" });
  await bot.submit(you);

  const first = bot.page;
  bot.expect(isOdd ? first === "More" : first !== "More", "only those see more questions to whom they apply");
  if (isOdd) await bot.submit({ otherField: "Astronomy", hoursOfWork: 12, wage: "" });

  // In one order or the other.
  const prize = 10 + bot.participant;
  for (const _page of ["first", "second"]) {
    if (bot.page === "Attitudes") {
      await bot.submitMustFail({ trust: 4 });
      await bot.submit({ trust: 4, fairness: 3, help: 2, risk: 7 });
    } else {
      bot.expect(bot.page, "Judgements");
      bot.expect(bot.text.includes(`You have won ${prize} points.`), "the label names one's own prize");
      const judgements = { happiness: 75, probability: 0.25, donation: prize - 1 };
      await bot.submitMustFail({ ...judgements, donation: prize + 1 });
      const generous = await bot.submitMustFail({ ...judgements, donation: prize });
      bot.expect(generous.includes("please keep at least one point"), "the whole prize is too generous");
      await bot.submit(judgements);
    }
  }

  await bot.submit({ comments: "Nice & short" });

  bot.expect(bot.page, "Thanks");
  for (const answer of ["1.72 m", "Agree", `${prize - 1} points`, "Nice & short"]) {
    bot.expect(bot.text.includes(answer), `the page shows the answer: ${answer}`);
  }
  await bot.submit();
});
