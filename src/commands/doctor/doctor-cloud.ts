import { accessSync, constants, readdirSync } from 'node:fs';
import { connectorOf, maxServersOf } from '../../app/cloud-settings.js';
import type { Config } from '../../config/config.js';
import { ConnectorError } from '../../drivers/connectors/connector.js';
import type { Names } from '../../drivers/connectors/openstack/names.js';
import type { Session } from '../../drivers/connectors/openstack/session.js';
import { heatOptions, novaOptions, orderOf } from '../../drivers/connectors/settings.js';
import { messageOf } from '../../lib/errors.js';
import type { NovaFile } from '../../lib/generated/config/nova.js';
import type { Finding } from './finding.js';

/** Seconds that a cloud may take to accept a connection, and to answer a request. */
const patience = { connect: 5, answer: 10 };

/**
 * Checks the clouds: the logins of `nova.yaml` and `heat.yaml`, and that everything they name exists. It creates
 * nothing in a cloud. Without these files it finds nothing.
 */
export async function examineCloud({ cloud, configFolder }: Config): Promise<Finding[]> {
  const { application, nova, heat } = cloud;
  const findings = connectorOf(cloud) === null ? [] : [scripts(application.LOCAL_SCRIPTS_FOLDER)];
  const folder = configFolder ?? '';
  const most = maxServersOf(cloud);
  if (nova !== null) findings.push(...(await examine('nova', nova, novaOptions(nova, folder), most)));
  if (heat !== null) findings.push(...(await examine('heat', heat, heatOptions(heat, folder), most)));
  return findings;
}

function scripts(folder: string | null): Finding {
  const check = 'scripts of tasks';
  const mend = 'set LOCAL_SCRIPTS_FOLDER in application.yaml to a folder that this user can read';
  if (folder === null) return { check, state: 'note', detail: 'tasks of type xnat have no scripts', mend };
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    readdirSync(folder);
    return { check, state: 'ok', detail: folder };
  } catch (error) {
    return { check, state: 'wrong', detail: messageOf(error), mend };
  }
}

async function examine(
  name: 'nova' | 'heat',
  file: NovaFile,
  given: ReturnType<typeof novaOptions>,
  most: number,
): Promise<Finding[]> {
  // Loaded only if there is a cloud to ask.
  const [{ openStack }, { openNames }] = await Promise.all([
    import('../../drivers/connectors/openstack/open.js'),
    import('../../drivers/connectors/openstack/names.js'),
  ]);
  const check = `cloud of ${name}.yaml`;
  let session: Session;
  try {
    session = openStack({
      ...given,
      connectTimeout: Math.min(given.connectTimeout, patience.connect * 1000),
      requestTimeout: Math.min(given.requestTimeout, patience.answer * 1000),
      retries: 0,
    });
  } catch (error) {
    return [{ check, state: 'wrong', detail: messageOf(error), mend: `correct it in ${name}.yaml` }];
  }
  try {
    const project = await session.project();
    const login: Finding = { check, state: 'ok', detail: `logged in, project ${project}` };
    const asked = Object.entries(questions(session, openNames(session), name, file, most));
    const answers = await Promise.all(asked.map(([what, ask]) => answerOf(`${name}: ${what}`, name, ask)));
    return [login, ...answers];
  } catch (error) {
    return [{ check, state: 'wrong', detail: messageOf(error), mend: mendOf(error, name) }];
  } finally {
    await session.close();
  }
}

type Question = () => Promise<Omit<Finding, 'check'>>;

/** The questions to a cloud: for each key of the file, whether what it names exists, and what the quota is. */
function questions(
  session: Session,
  names: Names,
  name: 'nova' | 'heat',
  file: NovaFile,
  most: number,
): Record<string, Question> {
  const { image, flavor, keyName, networks, securityGroups, floatingIp } = orderOf(file);
  const said = async (detail: string, ask: Promise<unknown>) => {
    await ask;
    return { state: 'ok', detail } as const;
  };
  const needed =
    (kind: 'image' | 'flavor', key: string, wanted: string | null): Question =>
    async () =>
      wanted === null
        ? {
            state: 'note',
            detail: 'not set: every application must set its own',
            mend: `set ${key} in ${name}.yaml`,
          }
        : said(wanted, names.idOf(kind, wanted));
  const all =
    (kind: 'network' | 'security group', wanted: readonly string[]): Question =>
    () =>
      said(wanted.join(', '), Promise.all(wanted.map((each) => names.idOf(kind, each))));
  return {
    image: needed('image', 'IMAGE_ID', image),
    flavor: needed('flavor', 'FLAVOR', flavor),
    ...(keyName === null ? {} : { 'key pair': () => said(keyName, names.keyPair(keyName)) }),
    ...(networks.length === 0 ? {} : { network: all('network', networks) }),
    ...(securityGroups.length === 0 ? {} : { 'security group': all('security group', securityGroups) }),
    ...(floatingIp === false
      ? {}
      : {
          'floating IPs': () =>
            said(`from ${String(file.IP_POOL ?? 'the external network')}`, names.externalNetwork(floatingIp)),
        }),
    ...(name === 'nova' ? {} : { stacks: () => said('can be listed', listStacks(session)) }),
    quota: () => quota(session, most),
  };
}

const listStacks = (session: Session) =>
  session.request('orchestration', 'GET', '/stacks', { query: { limit: '1' } });

/** Whether the quota allows as many servers as the configuration. */
async function quota(session: Session, most: number): Promise<Omit<Finding, 'check'>> {
  const { limits } = (await session.request('compute', 'GET', '/limits')) as {
    limits: { absolute: { maxTotalInstances: number; totalInstancesUsed: number } };
  };
  const { maxTotalInstances: may, totalInstancesUsed: are } = limits.absolute;
  const detail = may < 0 ? `no limit, ${are} servers used` : `${are} of ${may} servers used`;
  if (may < 0 || may >= most) return { state: 'ok', detail };
  return {
    state: 'note',
    detail: `${detail}, and MAX_SERVERS is ${most}: jobs will wait for servers`,
    mend: 'lower MAX_SERVERS (or MAX_ACTIVE_TASKS) in application.yaml, or raise the quota',
  };
}

async function answerOf(check: string, file: string, ask: Question): Promise<Finding> {
  try {
    return { check, ...(await ask()) };
  } catch (error) {
    return { check, state: 'wrong', detail: messageOf(error), mend: mendOf(error, file) };
  }
}

const mendOf = (error: unknown, file: string): string =>
  error instanceof ConnectorError && error.problem === 'unavailable'
    ? 'check that this machine can reach the cloud, and that its address is right in the credentials'
    : `correct it in ${file}.yaml or its credentials`;
