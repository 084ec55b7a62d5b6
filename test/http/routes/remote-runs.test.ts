import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudServer, startCloud } from '../../support/cloud.js';
import { entryOf, foldersOn, sshFile } from '../../support/machines.js';
import { main } from '../../support/paths.js';
import { type Ask, ask } from '../../support/raw.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';

const nobody = '00000000-0000-0000-0000-000000000000';

const name = 'dry runs and examples of what runs elsewhere';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  let machine: Machine;
  let cloud: CloudServer;
  beforeAll(async () => {
    machine = await startMachine();
    cloud = await startCloud(
      { LOG_LEVEL: 'warn', IDLE_TIMEOUT: 60, MAX_TASK_ATTEMPTS: 1 },
      sshFile([entryOf('fiji', machine), entryOf('away', machine, { PORT: 9 })]),
    );
  });
  afterAll(async () => {
    await cloud?.remove();
    await machine?.remove();
  });

  const uri = async (definition: object) => `/api/process_definition/${await cloud.register(definition)}/`;
  const dry = async (definition: object, more: Ask = {}) =>
    ask(cloud, `${await uri(definition)}run/?dry_run=1`, { method: 'POST', ...more });
  const jobs = async () => (await ask(cloud, '/api/job/')).json.meta.total_count;

  describe('?dry_run=1', () => {
    const where = {
      exec: 'sort',
      argv: ['-o', '${output_file}', '${input_file}', '--', '${work_dir}', '${job_uuid}'],
      input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      output_adapter: { output_type: 'file', output_parameters: { file_path: '${output_file}' } },
    };
    // Nobody is asked: it may be away.
    beforeAll(() => machine.cut());
    afterAll(() => machine.mend());
    const shown = (folder: string) => ({
      exec: 'sort',
      argv: ['-o', `${folder}/output/o.txt`, `${folder}/input/i.txt`, '--', `${folder}/work`, nobody],
      remote_folder: folder,
      files: { output_name: 'o.txt' },
    });
    const file = { input: { text: 'b\na\n', name: 'i.txt' }, output: { name: 'o.txt' } };

    test('of ssh: the machine, and the command with its folders there', async () => {
      const { status, json } = await dry({ ...where, executor: 'ssh', host: 'fiji' }, { json: file });
      expect(status).toBe(200);
      expect(json).toMatchObject({ executor: 'ssh', host: 'fiji' });
      expect(json.remote_folder).toMatch(new RegExp(`^${machine.base}/penstock-[^/]+/${nobody}/1$`));
      expect(json).toMatchObject(shown(json.remote_folder));
    });

    test('of cloud: the application, and the command with its folders there', async () => {
      await ask(cloud, '/api/application/', { json: { name: 'big', remote_base_folder: cloud.file('big') } });
      for (const [application, base] of [
        [undefined, cloud.file('remote')],
        ['big', cloud.file('big')],
      ] as const) {
        const asked = { ...file, executor: 'cloud', ...(application && { application }) };
        const { status, json } = await dry(where, { json: asked });
        expect(status).toBe(200);
        expect(json).toMatchObject({ executor: 'cloud', application: application ?? 'default' });
        expect(json).not.toHaveProperty('host');
        expect(json.remote_folder).toMatch(new RegExp(`^${base}/penstock-[^/]+/${nobody}/1$`));
        expect(json).toMatchObject(shown(json.remote_folder));
      }
    });

    test('starts nothing, reaches nobody, keeps nothing; what could not be run is refused as a run is', async () => {
      for (const [asked, pointer, detail] of [
        [{ executor: 'ssh' }, '/host', /host/],
        [{ executor: 'ssh', host: 'fuji' }, '/host', /did you mean fiji\?/],
        [{ executor: 'cloud', application: 'bigg' }, '/application', /big/],
      ] as const) {
        const definition = await uri({ exec: 'true' });
        for (const query of ['?dry_run=1', '']) {
          const { status, json } = await ask(cloud, `${definition}run/${query}`, { json: asked });
          expect([asked, query, status, json.errors]).toEqual([
            asked,
            query,
            400,
            [{ pointer, detail: expect.stringMatching(detail) }],
          ]);
        }
      }
      expect(await jobs()).toBe(0);
      expect(await cloud.servers()).toEqual([]);
      expect((await ask(cloud, '/api/host_key/')).json.objects).toEqual([]);
      expect(readdirSync(machine.base)).toEqual([]);
      expect(existsSync(cloud.file('big'))).toBe(false);
    });
  });

  describe('examples of a definition', () => {
    const tests = [
      { name: 'sorts', input: 'b\na\n', expect: 'a\nb\n' },
      { name: 'differs', input: 'b\n', expect: 'c\n' },
      { name: 'nothing', expect: '' },
    ];
    test.each([
      ['ssh', { executor: 'ssh', host: 'fiji' }],
      ['cloud', { executor: 'cloud' }],
    ])('are run there: %s', async (executor, there) => {
      const at = await uri({ name: `sort-${executor}`, exec: 'sort', ...there, tests });
      const { status, json } = await ask(cloud, `${at}test/`, { method: 'POST', deadline: 60_000 });
      expect([status, json]).toMatchObject([200, { total: 3, passed: 2, failed: 1, unfinished: 0 }]);
      expect(json.tests[1].problem).toMatch(/^The output differs at byte 0/);
      for (const { job } of json.tests) expect((await ask(cloud, job)).json.executor).toBe(executor);

      const { PATH } = process.env;
      const login = { PENSTOCK_USER: cloud.admin.username, PENSTOCK_PASSWORD: cloud.admin.password };
      const ran = spawnSync(process.execPath, [main, 'definition', 'test', `sort-${executor}`], {
        env: { PATH, PENSTOCK_URL: cloud.url, ...login },
      });
      expect(ran.status).toBe(1);
      expect(`${ran.stdout}`).toMatch(
        /^PASS {2}sorts\nFAIL {2}differs\n.*differs at byte 0.*\n.*\nPASS {2}nothing\n$/,
      );
      expect(`${ran.stderr}`).toContain('2 of 3 passed, 1 failed.');
    });

    test('that cannot be run there any more say why', async () => {
      const one = [{ name: 'one', expect: '' }];
      await ask(cloud, '/api/application/', { json: { name: 'brief' } });
      const gone = await uri({ exec: 'true', executor: 'cloud', application: 'brief', tests: one });
      const { objects } = (await ask(cloud, '/api/application/?name=brief')).json;
      expect((await ask(cloud, objects[0].resource_uri, { method: 'DELETE' })).status).toBe(204);
      const answer = await ask(cloud, `${gone}test/`, { method: 'POST' });
      expect(answer.json).toMatchObject({ total: 1, passed: 0, failed: 1 });
      expect(answer.json.tests[0].problem).toContain('there is no application "brief"');
    });

    test('on a machine that is away fail, with the reason', async () => {
      const at = await uri({ exec: 'true', executor: 'ssh', host: 'away', tests: [{ expect: '' }] });
      const { json } = await ask(cloud, `${at}test/`, { method: 'POST' });
      expect(json).toMatchObject({ total: 1, failed: 1 });
      expect(json.tests[0].problem).toContain(`${machine.address}:9 cannot be reached`);
      expect(foldersOn(machine).size).toBe(0);
    });
  });

  test.each([
    'ssh',
    'cloud',
  ])('declared inputs and outputs of %s: the same arguments, files and values as here', async (executor) => {
    const definition = {
      exec: '/bin/sh',
      argv: [
        '-c',
        'printf "%s\\0" "$5" "$6" "$7"; cat "$1" "$2" "$3"/* >"$4"; mkdir -p parts; echo 1 >parts/1.txt; echo 2 >parts/2.txt; echo "{\\"n\\": 2}" >&2; cp "$4" "$8/copy"',
        'sh',
        '${inputs.one}',
        '${inputs.more}',
        '${inputs.folder}',
        '${outputs.all}',
        { input: 'word', prefix: '--word=', separate: false },
        '${inputs.text}',
        '${inputs.number}',
        '${outputs.kept}',
      ],
      executor,
      ...(executor === 'ssh' ? { host: 'fiji' } : {}),
      inputs: {
        one: { type: 'file', file_name: 'one file.txt' },
        more: { type: 'array', items: { type: 'file' }, maxItems: 1 },
        folder: { type: 'folder' },
        word: { type: 'string' },
        text: { type: 'string' },
        number: { type: 'number' },
      },
      outputs: {
        said: { type: 'file', from: 'stdout' },
        all: { type: 'file', file_name: 'all.txt' },
        parts: { type: 'files', glob: 'parts/*.txt' },
        kept: { type: 'folder' },
        n: { type: 'integer', from: 'stderr', pointer: '/n' },
      },
    };
    const text = ' quotes "\' $(id) \n two lines ä€𝄞 \\';
    const { json: job } = await ask(cloud, `${await uri(definition)}run/?wait=60`, {
      json: {
        inputs: {
          one: { text: 'one;' },
          more: [{ text: 'more;' }],
          folder: [
            { text: 'a;', name: 'a' },
            { text: 'b;', name: 'b b' },
          ],
          word: '-x',
          text,
          number: 1e-7,
        },
      },
      deadline: 60_000,
    });
    expect([job.state, job.outcome.reason]).toEqual(['FINISHED', null]);
    const output = async (name: string) =>
      (await ask(cloud, `/api/job/${job.uuid}/output/?name=${name}`)).text;
    expect((await output('said')).split('\0')).toEqual(['--word=-x', text, '0.0000001', '']);
    expect(await output('all')).toBe('one;more;a;b;');
    expect(job.outputs).toMatchObject({
      parts: [
        { name: 'parts/1.txt', size: 2 },
        { name: 'parts/2.txt', size: 2 },
      ],
      kept: { name: 'copy', size: 13 },
      n: 2,
    });
  });
});
