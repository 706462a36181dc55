import { defineConfig, integer, text } from "walras";

export default defineConfig({
  participantFields: { treatment: text({ doc: "what was shown" }) },
  sessionFields: { price: integer() },
  currency: { code: "EUR" },
  sessionConfigs: [
    {
      name: "trade",
      appSequence: ["trade"],
      numDemoParticipants: 4,
      realWorldCurrencyPerPoint: 0.1,
      nested: { a: [1] },
    },
    {
      name: "trade_fee",
      displayName: "Trade, with a fee",
      appSequence: ["trade"],
      numDemoParticipants: 2,
      participationFee: 5,
      stake: 'high, "very"',
    },
  ],
});
