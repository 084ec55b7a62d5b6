/** Programs find what a login shell would; nothing of the server's own environment reaches them. */
export const basicEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
