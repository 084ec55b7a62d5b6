import path from 'node:path';
import type { HeatFile } from '../../lib/generated/config/heat.js';
import type { NovaFile } from '../../lib/generated/config/nova.js';
import { ConnectorError, type ServerOrder } from './connector.js';
import type { HeatOptions } from './heat.js';
import type { OpenStackOptions } from './openstack/open.js';

const listOf = (value: string | readonly string[] | null): readonly string[] =>
  value === null ? [] : typeof value === 'string' ? [value] : value;

/** How to sign in to the cloud, from the file; relative paths start from the config folder. */
export function novaOptions(file: NovaFile, folder: string, name = 'nova.yaml'): OpenStackOptions {
  const { CREDENTIALS_FILE: openrc, CLOUD: cloud, CLOUDS_FILE: clouds } = file;
  if ((openrc === null) === (cloud === null))
    throw new ConnectorError(
      'refused',
      `${name}: no login for the cloud: set CREDENTIALS_FILE or CLOUD${openrc === null ? '' : ', not both'}`,
    );
  return {
    credentials:
      cloud === null
        ? { openrc: path.resolve(folder, openrc ?? '') }
        : { cloud, file: clouds === null ? null : path.resolve(folder, clouds) },
    region: file.REGION,
    interface: file.INTERFACE,
    connectTimeout: file.CONNECT_TIMEOUT * 1000,
    requestTimeout: file.REQUEST_TIMEOUT * 1000,
    retries: file.REQUEST_RETRIES,
  };
}

export function heatOptions(file: HeatFile, folder: string): HeatOptions {
  return {
    ...novaOptions(file, folder, 'heat.yaml'),
    templateFile: file.TEMPLATE_FILE === null ? null : path.resolve(folder, file.TEMPLATE_FILE),
    addressOutput: file.ADDRESS_OUTPUT,
    createTimeout: file.CREATE_TIMEOUT,
  };
}

/** The defaults for servers, where an application sets nothing else. */
export function orderOf(file: NovaFile | HeatFile): Omit<ServerOrder, 'name'> {
  return {
    image: file.IMAGE_ID,
    // Older files give the id of a flavor as a number.
    flavor: file.FLAVOR === null ? null : String(file.FLAVOR),
    keyName: file.AUTH_KEYNAME,
    networks: listOf(file.NETWORK_ID),
    securityGroups: listOf(file.SECURITY_GROUP),
    userData: null,
    floatingIp: file.USE_FLOATING_IP ? (file.IP_POOL ?? true) : false,
    more: 'PARAMETERS' in file ? file.PARAMETERS : {},
  };
}
