import { adapterPairs } from '../conformance/adapter.js';
import { fromPort, toPort } from '../support/over-port.js';

const one = { document: 'a file' };

adapterPairs(
  [
    { name: 'STDIN', type: 'file', script: 'cat', place: '' },
    {
      name: 'a path',
      type: 'file',
      parameters: { file_path: '${input_file}' },
      script: 'dd bs=64K <"$1"',
      place: '${input_file}',
    },
    {
      name: 'append',
      type: 'append',
      parameters: { quiet: 0.3 },
      script: 'tail -c +1 -f "$1" | cat',
      place: '${input_file}',
    },
    { name: 'pipe', type: 'pipe', script: 'cat "$1"', place: '${input_pipe}' },
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
      ...one,
    },
  ],
  [
    { name: 'STDOUT', type: 'file', script: '', place: '' },
    {
      name: 'a path',
      type: 'file',
      parameters: { file_path: '${output_file}' },
      script: '>"$2"',
      place: '${output_file}',
    },
    { name: 'append', type: 'append', script: '>>"$2"', place: '${output_file}' },
    { name: 'pipe', type: 'pipe', script: '>"$2"', place: '${output_pipe}' },
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
      ...one,
    },
  ],
);
