// Preloaded by NODE_OPTIONS=--require: a program that reaches for the network ends with 97.
const refuse = () => {
  process.stderr.write("offline.cjs: the network was reached for\n");
  process.exit(97);
};
require("node:net").Socket.prototype.connect = refuse;
require("node:dns").lookup = refuse;
require("node:dgram").createSocket = refuse;
