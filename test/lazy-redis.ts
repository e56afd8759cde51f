/** What ioredis is before its first command, with `lazyConnect`. */
export const lazyRedis = () => ({
  status: 'wait',
  offlineQueue: { length: 0 },
  options: { host: '127.0.0.1', port: 1 },
  ping: () => Promise.reject(new Error('nothing is sent')),
  on() {},
  removeListener() {},
  duplicate() {},
});
