// A CloudFront Function (viewer request, cloudfront-js-2.0): makes requests with the same response equal.
// cloudfront.yaml holds a copy of this file; a test keeps them equal.

// A key, as in variant.py. Its path says everything, so the response does not depend on headers.
const KEY = /^\/img\/[A-Za-z0-9\/_.,=-]+\/[0-9a-f]{8}-[A-Za-z0-9_-]{14}\/([A-Za-z0-9_.,=-]+\/)?[A-Za-z0-9_,=-]+\.[A-Za-z0-9_,=-]+$/;
// Formats for short URLs, beside JPEG and PNG (formats.py).
const OFFERED = ["image/avif", "image/webp"];
const QUALITY = /^q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$/;

function handler(event) {
    const request = event.request;
    const path = decode(request.uri);
    if (path !== request.uri && KEY.test(path)) {
        // Redirect other spellings of a key, so that CloudFront keeps one copy of a variant.
        return {
            statusCode: 301,
            statusDescription: "Moved Permanently",
            headers: { location: { value: path } },
        };
    }
    const accept = request.headers.accept;
    delete request.headers.accept;
    if (accept && !KEY.test(request.uri)) {
        const reduced = reduce(accept.value);
        if (reduced) {
            request.headers.accept = { value: reduced };
        }
    }
    return request;
}

function decode(uri) {
    try {
        return decodeURIComponent(uri);
    } catch (error) {
        return uri;
    }
}

// One of six spellings: none of OFFERED, one of them, or both in the order of preference.
function reduce(accept) {
    const qualities = read(accept);
    const fallback = Math.max(qualities["image/jpeg"] || 0, qualities["image/png"] || 0);
    const wanted = OFFERED.filter((type) => qualities[type] > 0 && qualities[type] >= fallback);
    if (wanted.length < 2 || qualities[wanted[0]] === qualities[wanted[1]]) {
        return wanted.join(",");
    }
    return wanted.sort((one, other) => qualities[other] - qualities[one]).join(",") + ";q=0.5";
}

// Media types and their quality values (RFC 9110 §12.5.1), as serving/short.py reads them.
function read(accept) {
    const qualities = Object.create(null);
    accept.slice(0, 1000).toLowerCase().split(",").forEach((part) => {
        const pieces = part.split(";").map((piece) => piece.trim());
        const quality = pieces.slice(1).find((piece) => piece.startsWith("q="));
        qualities[pieces[0]] = QUALITY.test(quality) ? Number(quality.slice(2)) : 1;
    });
    return qualities;
}
