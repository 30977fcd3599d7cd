// A certificate that vouches for itself (registry.example, other.example, localhost, 127.0.0.1; from 2020 to 2120), and its
// key: both are public, and good for tests alone. Made by `openssl req -new -newkey ec -pkeyopt
// ec_paramgen_curve:prime256v1 -nodes` and `openssl ca -selfsign -startdate 20200101000000Z -enddate 21200101000000Z`.

export const certificate: string = `-----BEGIN CERTIFICATE-----
MIIBqTCCAU+gAwIBAgIUDYSd41wA+Da7bQWf+LV3pHHGytowCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcmVnaXN0cnkuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8y
MTIwMDEwMTAwMDAwMFowGzEZMBcGA1UEAwwQcmVnaXN0cnkuZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABFLBLQkUkn80Z4nu7hzosmHvR/xIUL6UfDoT
VR1b/flrCg9mZZhJVjdVfgQXIfrAMVt8F15CjVCdhAZgE9mKsyOjbzBtMDsGA1Ud
EQQ0MDKCEHJlZ2lzdHJ5LmV4YW1wbGWCDW90aGVyLmV4YW1wbGWCCWxvY2FsaG9z
dIcEfwAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBRn4jmabGY9L2syQfiT
yJ43OVXw2jAKBggqhkjOPQQDAgNIADBFAiBCJYfsvE4xyY20xBzXHpZuo7ImKBr6
lPM4g7rmrY9aJAIhAN6lJ3rTqKwDSGeCQDkRmnn5rHtM9lStZrrPIB4RVND/
-----END CERTIFICATE-----
`;

export const key: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgF6GcyshkwOeN1ZUw
HBno688+WSr1iFQb7LoD2sC2RWWhRANCAARSwS0JFJJ/NGeJ7u4c6LJh70f8SFC+
lHw6E1UdW/35awoPZmWYSVY3VX4EFyH6wDFbfBdeQo1QnYQGYBPZirMj
-----END PRIVATE KEY-----
`;
