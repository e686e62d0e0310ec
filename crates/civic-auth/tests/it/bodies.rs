//! The bodies of the layers, as servers and other layers use them.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use civic_auth::layer::{AuthBody, CorrelationIdBody};
use civic_auth::{AuthLayer, CorrelationIdLayer, RequireRoleLayer, Role};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, bearer, verifier};

async fn answer(
    method: Method,
    headers: HeaderMap,
) -> Response<CorrelationIdBody<AuthBody<AuthBody<Full<Bytes>>>>> {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AuthLayer::new(verifier()))
        .layer(RequireRoleLayer::new(Role::Treasurer))
        .service(tower::service_fn(|_: Request<Empty<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        }))
        .oneshot(request)
        .await
        .expect("infallible")
}

#[tokio::test]
async fn a_refusal_of_head_has_the_length_that_get_has_and_no_body() {
    // Over HTTP/2, hyper sends every body that it is given, and a client treats a body after HEAD
    // as a broken stream.
    for (headers, status) in [
        (HeaderMap::new(), StatusCode::UNAUTHORIZED),
        (bearer(Claims::user().token()), StatusCode::FORBIDDEN),
    ] {
        let to_get = answer(Method::GET, headers.clone()).await;
        let to_head = answer(Method::HEAD, headers).await;
        assert_eq!((to_get.status(), to_head.status()), (status, status));
        let length = to_get.body().size_hint().exact().expect("a known length");
        assert_eq!(to_head.headers()[CONTENT_LENGTH], length.to_string());
        assert!(to_head.body().is_end_stream());
        // A layer that compresses leaves a body alone that is known to be empty.
        assert_eq!(to_head.body().size_hint().exact(), Some(0));
        let body = to_head.into_body().collect().await.expect("infallible");
        assert!(body.to_bytes().is_empty());
    }
}

#[tokio::test]
async fn a_default_body_is_empty_for_layers_that_make_an_answer_of_their_own() {
    // tower-http's `CorsLayer` and `TimeoutLayer` answer with `ResBody::default()`.
    async fn is_empty<B: Body<Data = Bytes, Error = Infallible> + Default>() {
        let body = B::default();
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(
            body.collect()
                .await
                .expect("infallible")
                .to_bytes()
                .is_empty()
        );
    }
    is_empty::<AuthBody<Full<Bytes>>>().await;
    is_empty::<CorrelationIdBody<Full<Bytes>>>().await;
    is_empty::<CorrelationIdBody<AuthBody<Full<Bytes>>>>().await;
}
