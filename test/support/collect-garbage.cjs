// For a server under test: collects garbage all the time, so that its memory is what it holds.
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
setInterval(collect, 200).unref();
