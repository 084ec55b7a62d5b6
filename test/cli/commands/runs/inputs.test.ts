import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../../server.js';

/** Prints its arguments, one a line, with the bytes of its file before them. */
const toMp3 = {
  exec: '/bin/sh',
  argv: [
    '-c',
    'cat "$1" > "$2"; basename "$1" >> "$2"; shift; out=$1; shift; printf "%s\\n" "$@" >> "$out"; echo \'{"loud": -14}\'',
    'sh',
    '${inputs.sound}',
    '${outputs.mp3}',
    { input: 'bitrate', prefix: '-b', text: '${value}k' },
    { input: 'mono', prefix: '-mono' },
    { input: 'tags', prefix: '-t', each: true },
  ],
  inputs: {
    sound: { type: 'file', title: 'Sound', media_type: ['audio/*', 'text/*'], max_size: '2GB', order: 1 },
    bitrate: { type: 'integer', title: 'Bit rate', minimum: 32, maximum: 320, default: 128, order: 2 },
    mono: { type: 'boolean', default: false, order: 3 },
    tags: { type: 'array', items: { type: 'string' }, optional: true, order: 4 },
  },
  outputs: {
    mp3: { type: 'file', title: 'MP3', file_path: '${outputs.mp3}', file_name: 'sound.mp3' },
    loudness: { type: 'number', from: 'stdout', pointer: '/loud' },
  },
};

/** Lists what it was given: a folder, several files, and its standard input. */
const gathers = {
  exec: '/bin/sh',
  argv: [
    '-c',
    'cd "$1"; shift; cat; ls; for file; do cat "$file"; done',
    'sh',
    '${inputs.photos}',
    '${inputs.pages}',
  ],
  inputs: {
    notes: { type: 'file', stdin: true, optional: true },
    photos: { type: 'folder' },
    pages: { type: 'array', items: { type: 'file' }, optional: true },
  },
  outputs: { list: { type: 'file', from: 'stdout', file_name: 'list.txt' } },
};

/** Makes a value, and declares no file. */
const count = {
  exec: '/bin/sh',
  argv: ['-c', 'echo "$1" | wc -c', 'sh', '${inputs.text}'],
  inputs: { text: { type: 'string', leading_dash: true } },
  outputs: { bytes: { type: 'integer', from: 'stdout' } },
};

describe.skipIf(!built)(`penstock run with inputs${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  let folder: string;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);

  beforeAll(async () => {
    installed = await install();
    folder = installed.folder;
    for (const [name, definition] of Object.entries({
      'to-mp3': toMp3,
      gathers,
      count,
      cat: { exec: 'cat' },
    })) {
      await installed.good(['definition', 'add', '-', '--name', name], JSON.stringify(definition));
    }
    writeFileSync(join(folder, 'talk.wav'), 'hello\n');
    mkdirSync(join(folder, 'photos', 'below'), { recursive: true });
    for (const name of ['a', 'b']) writeFileSync(join(folder, 'photos', name), `${name}\n`);
    mkdirSync(join(folder, 'none'));
  });

  afterAll(() => installed.stop());

  it('takes files, values and switches, in every spelling', async () => {
    const sound = `sound=@${join(folder, 'talk.wav')}`;
    const to = join(folder, 'talk.mp3');
    const ran = await penstock([
      'run',
      'to-mp3',
      sound,
      'bitrate=192',
      '--mono',
      'tags=a b',
      'tags=@@c',
      '-o',
      to,
    ]);
    expect(ran).toEqual({ code: 0, stdout: '', stderr: 'loudness: -14\n' });
    expect(readFileSync(to, 'utf8')).toBe('hello\ntalk.wav\n-b\n192k\n-mono\n-t\na b\n-t\n@c\n');
    const other = await penstock(['run', 'to-mp3', sound, '--bitrate', '64', '--tags=x', '--no-mono']);
    expect(other).toMatchObject({ code: 0, stdout: 'hello\ntalk.wav\n-b\n64k\n-t\nx\n' });
  });

  it('feeds standard input or --input to the only file that is not given', async () => {
    expect(await penstock(['run', 'to-mp3'], 'piped\n')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^piped\n/),
    });
    const file = join(folder, 'talk.wav');
    expect((await penstock(['run', 'to-mp3', '--input', file])).stdout).toMatch(/^hello\ntalk\.wav\n/);
    expect((await penstock(['run', 'to-mp3', 'sound=@-'], 'said\n')).stdout).toMatch(/^said\n/);
    const twice = await penstock(['run', 'to-mp3', `sound=@${file}`, '--input', file]);
    expect(twice).toMatchObject({ code: 2, stderr: expect.stringContaining('sound is given already') });
    expect(await penstock(['run', 'to-mp3', 'sound=@-', '--input', '-'])).toMatchObject({ code: 2 });
  });

  it('sends all plain files of a folder, and standard input where it is marked', async () => {
    const photos = join(folder, 'photos/');
    const both = await penstock(['run', 'gathers', `photos=@${photos}`, `pages=@${photos}`], 'noted\n');
    expect(both).toEqual({ code: 0, stdout: 'noted\na\nb\na\nb\n', stderr: '' });
    // An empty standard input is not an empty file where none is needed; an empty list of files is sent as one.
    const empty = ['run', 'gathers', `photos=@${photos}`, `pages=@${join(folder, 'none/')}`];
    const plan = await installed.json([...empty, '--dry-run'], '');
    expect(plan.inputs).toEqual({
      pages: [],
      photos: [
        { name: 'a', size: 2 },
        { name: 'b', size: 2 },
      ],
    });
  });

  it('shows every mistake that the server finds, one a line, with the nearest name', async () => {
    const before = await installed.json(['job', 'list']);
    const ran = await penstock(['run', 'to-mp3', 'bitrate=1', 'mono=maybe', 'tag=x', '--no-input']);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    const lines = ran.stderr.trim().split('\n').slice(1);
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^ {2}\/inputs\/tag .*did you mean "tags"\?$/);
    expect(ran.stderr).toMatch(/\/inputs\/sound .*is required/);
    expect(ran.stderr).toMatch(/\/inputs\/bitrate .*32/);
    expect(ran.stderr).toMatch(/\/inputs\/mono .*true or false/);
    expect(await installed.json(['job', 'list'])).toEqual(before);
  });

  it.each([
    [['sound=talk.wav'], 'sound=@FILE'],
    [['bitrate=@talk.wav'], 'bitrate=@@talk.wav'],
    [['sound=@nothing-there'], 'nothing-there for the input sound'],
    [['sound=@/tmp'], 'it is a folder, and sound takes one file'],
    [['talk.wav'], 'Not an input: talk.wav'],
    [['--bitrat', '3'], 'Did you mean --bitrate?'],
    [['--jsn'], 'Did you mean --json?'],
    [['--no-bitrate'], 'Unknown option --no-bitrate'],
    [['--bitrate'], '--bitrate needs a value'],
    [['-o', 'mp4=x'], 'Did you mean mp3?'],
    [['-o', 'loudness=x'], 'is a value'],
    [['-o', 'x', '-o', 'y'], 'Only one -o FILE'],
  ])('says what is wrong with %j before anything is sent', async (words, message) => {
    const ran = await penstock(['run', 'to-mp3', ...words, '--no-input']);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(message);
  });

  it('takes no inputs for a definition that declares none', async () => {
    const ran = await penstock(['run', 'cat', 'speed=3'], 'x');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('cat declares no inputs, so it cannot take speed');
    expect(await penstock(['run', 'cat', '--jsno'], 'x')).toMatchObject({ code: 2 });
    expect(await penstock(['run'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'definition'"),
    });
  });

  it('writes one of several outputs to its own file', async () => {
    const to = join(folder, 'named.mp3');
    const args = ['run', 'to-mp3', `sound=@${join(folder, 'talk.wav')}`, '-o', `mp3=${to}`];
    const job = await installed.json(args);
    expect(job.outputs).toMatchObject({ loudness: -14 });
    expect(readFileSync(to, 'utf8')).toMatch(/^hello\n/);
  });

  it('prints a value, or has it in the JSON', async () => {
    const ran = await penstock(['run', 'count', '--text', '-5']);
    // Its main output is what it wrote.
    expect(ran).toEqual({ code: 0, stdout: '3\n', stderr: 'bytes: 3\n' });
    expect((await installed.json(['run', 'count', 'text=a=b'])).outputs).toEqual({ bytes: 4 });
    const refused = await penstock(['run', 'to-mp3', '--json', '--no-input']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('With --json') });
  });

  it('ends at once if a file cannot be read, though standard input stays open', async () => {
    const child = installed.start(['run', 'gathers', 'photos=@nothing-there']);
    child.stdin?.write('x');
    const [code] = await once(child, 'close');
    expect(code).toBe(2);
  });

  it('tells the inputs and outputs of a definition, in 80 columns', async () => {
    const { code, stdout, stderr } = await penstock(['run', 'to-mp3', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(
      [
        'Inputs of to-mp3:',
        '  sound=@FILE',
        '      Sound',
        '      file, at most 2GB, audio/* or text/*; required.',
        '  bitrate=VALUE',
        '      Bit rate',
        '      integer, 32 to 320; default 128.',
        '  --mono, --no-mono',
        '      boolean; default false.',
        '  tags=VALUE ...',
        '      array of string; optional.',
        '',
        'Outputs of to-mp3:',
      ].join('\n'),
    );
    expect(stdout).toMatch(/ {2}mp3\n {6}MP3\n {6}file\.\n/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await penstock(['run', 'cat', '-h'])).stdout).toContain('cat declares no inputs');
  });

  it('shows the plain help if the server cannot be reached', async () => {
    const ran = await penstock(['--url', 'http://127.0.0.1:1', 'run', 'to-mp3', '--help']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('--idempotency-key');
    expect(ran.stdout).toMatch(/The inputs of to-mp3 cannot be shown: Cannot reach the server/);
  });
});
