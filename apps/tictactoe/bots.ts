import { defineBots } from "walras";
import app from "./index.ts";

interface State {
  board: string;
  whose_turn: number;
  winner: number | null;
}

/** Squares in the order in which they are taken, X first. */
const GAMES: Record<string, number[]> = {
  "X wins": [0, 3, 1, 4, 2],
  "O wins": [0, 3, 1, 4, 8, 5],
  "a draw": [0, 1, 2, 4, 3, 5, 7, 6, 8],
};

export default defineBots(
  app,
  async (bot) => {
    const me = bot.idInGroup;
    const moves = GAMES[bot.case] ?? [];
    const refusal = await bot.submitMustFail();
    bot.expect(refusal.includes("The game is not over yet."), "nobody leaves while the game runs");

    await bot.live.send({});
    let state = await bot.live.receive<State>();
    while (state.winner === null) {
      const taken = state.board.replaceAll(" ", "").length;
      // A square that is taken, and then the right one. From the player whose turn it is not, both change nothing.
      if (taken > 0) await bot.live.send({ square: moves[0] });
      if (state.whose_turn === me) await bot.live.send({ square: moves[taken] });
      else await bot.live.send({ square: moves[taken + 1] ?? 8 });
      state = await bot.live.receive<State>(({ board }) => board.replaceAll(" ", "").length > taken);
      const mark = taken % 2 === 0 ? "X" : "O";
      bot.expect(state.board[moves[taken] ?? 9], mark, "each mark is its player's, on the square that was chosen");
    }

    const winner = { "X wins": 1, "O wins": 2 }[bot.case] ?? 0;
    bot.expect(state.winner, winner, "who has won");
    bot.live.receiveAll();
    for (let square = 0; square < 9; square++) await bot.live.send({ square });
    bot.expect(bot.live.receiveAll(), [], "after the end nothing moves");
    await bot.submit();

    bot.expect(bot.page, "Results");
    const result =
      winner === 0 ? "The game ended in a draw." : winner === me ? "You have won." : "The other player has won.";
    bot.expect(bot.text.includes(result), `the page says: ${result}`);
    await bot.submit();
  },
  { cases: Object.keys(GAMES) },
);
