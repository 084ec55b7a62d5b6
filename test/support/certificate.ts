import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Makes a certificate for localhost in a folder. @returns what application.yaml says of it */
export function makeCertificate(folder: string): { TLS_CERTIFICATE: string; TLS_KEY: string } {
  const [certificate, key] = [path.join(folder, 'certificate.pem'), path.join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return { TLS_CERTIFICATE: certificate, TLS_KEY: key };
}
