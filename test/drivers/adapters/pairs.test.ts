import { adapterPairs, waysIn, waysOut } from '../../conformance/adapter.js';
import { fromPort, toPort } from '../../support/over-port.js';

const one = { document: 'a file' };

adapterPairs(
  [
    ...waysIn,
    {
      name: 'append',
      type: 'append',
      parameters: { quiet: 0.3 },
      script: 'tail -c +1 -f "$1" | cat',
      place: '${input_file}',
    },
    {
      name: 'port',
      type: 'port',
      parameters: { chunk_size: '10KB' },
      script: fromPort('"$1"'),
      place: '${input_port}',
    },
    {
      name: 'folder',
      type: 'folder',
      parameters: { folder_path: 'in' },
      script: 'cat "in/a file"',
      place: '',
      without: (cwd) => `${cwd}/in`,
      ...one,
    },
  ],
  [
    ...waysOut,
    { name: 'append', type: 'append', script: '>>"$2"', place: '${output_file}' },
    {
      name: 'port',
      type: 'port',
      script: `| ${toPort('"$2"')}`,
      place: '${output_port}',
    },
    {
      name: 'folder',
      type: 'folder',
      parameters: { folder_path: 'out' },
      script: '>"out/a file"',
      place: '',
      without: (cwd) => `${cwd}/out`,
      ...one,
    },
  ],
);
