import { defineConfig } from 'vitest/config';

/** The tests against a real OpenStack: `npm run test:openstack`. They share it, so the files run one at a time. */
export default defineConfig({
  test: {
    include: ['test/openstack/**/*.openstack.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    retry: process.env.CI ? 1 : 0,
    pool: 'forks',
    fileParallelism: false,
    reporters: ['default'],
  },
});
