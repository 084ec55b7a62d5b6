// For a server under test: its wall clock is as many milliseconds off as the file says that PENSTOCK_TEST_CLOCK names.
const { readFileSync } = require('node:fs');

const Real = Date;
let off = 0;
const look = () => {
  try {
    off = Number(readFileSync(process.env.PENSTOCK_TEST_CLOCK, 'utf8'));
  } catch {
    off = 0;
  }
};
look();
setInterval(look, 10).unref();
globalThis.Date = class extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + off);
    else super(...given);
  }
  static now() {
    return Real.now() + off;
  }
  // What comes from another thread is a date of the real kind.
  static [Symbol.hasInstance](value) {
    return value instanceof Real;
  }
};
