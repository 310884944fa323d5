// Two people may log in: one who builds flows, one who looks at them.
const { hashSync } = require("bcryptjs")

const user = (username, password, permissions) => ({ username, password: hashSync(password, 4), permissions })

module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PORT),
  flowFile: "flows.json",
  credentialSecret: false,
  adminAuth: {
    type: "credentials",
    users: [user("builder", "pw-of-the-builder", "*"), user("reader", "pw-of-the-reader", "read")]
  },
  runtimeState: { enabled: true, ui: false },
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "warn" } }
}
