/** Programs get a login shell's search path, and nothing of the server's own environment. */
export const basicEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
