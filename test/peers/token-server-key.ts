// What the token server signs with, and the certificate that registries check it by (from 2020 to 2120): both are public, and
// good for tests alone. Made by `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes` and `openssl ca
// -selfsign -startdate 20200101000000Z -enddate 21200101000000Z`.

export const certificate: string = `-----BEGIN CERTIFICATE-----
MIIBbTCCARSgAwIBAgIBATAKBggqhkjOPQQDAjAfMR0wGwYDVQQDDBR0b2tlbi1z
ZXJ2ZXIuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFow
HzEdMBsGA1UEAwwUdG9rZW4tc2VydmVyLmV4YW1wbGUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAASXvhkMAGpikCAJoyjXuk3qRjL+r2ebK1Q20vyvTG3r61/6kVC5
iCSemL6iOzK5zempQuQ3jF24+PpDEigzF64foz8wPTAPBgNVHRMBAf8EBTADAQH/
MAsGA1UdDwQEAwIChDAdBgNVHQ4EFgQUXUXYzB5CwBgpU80MxQLJA3DGQDcwCgYI
KoZIzj0EAwIDRwAwRAIgB8TJq76PDPr5+2gShoJr94Qi/gJ/U8aaP2x8DGtnHcEC
IGdcTonVj49Q0sWQZ7rEiTkbvk7FoI79CWsvsov3RA+W
-----END CERTIFICATE-----
`;

export const key: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMQ9qL4GoYenYiPMV
8CiYrPqjggoeDmQ13qvwPG5Ki12hRANCAASXvhkMAGpikCAJoyjXuk3qRjL+r2eb
K1Q20vyvTG3r61/6kVC5iCSemL6iOzK5zempQuQ3jF24+PpDEigzF64f
-----END PRIVATE KEY-----
`;
