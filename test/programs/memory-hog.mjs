#!/usr/bin/env node
// memory-hog MEGABYTES: takes and touches so much memory.
const held = [];
for (let n = 0; n < Number(process.argv[2]); n += 1) held.push(Buffer.alloc(2 ** 20, 1));
process.stdout.write(`${held.length}`);
